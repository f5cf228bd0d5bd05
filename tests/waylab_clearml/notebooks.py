"""Notebooks for tests."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

nbformat: Any = importlib.import_module("nbformat")

PYTHON = {"name": "python3", "language": "python", "display_name": "Python 3"}


def notebook_of(
    *sources: str, parameters: str | None = None, kernel: dict[str, str] | None = None
) -> Any:
    """Give a notebook of code cells, the first one tagged if there are parameters."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    if parameters is not None:
        declaring = nbformat.v4.new_code_cell(parameters)
        declaring.metadata["tags"] = ["parameters"]
        cells.insert(0, declaring)
    metadata = {"kernelspec": kernel or PYTHON}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def write_notebook(path: Path, *sources: str, **more: Any) -> Path:
    """Write such a notebook to a file."""
    nbformat.write(notebook_of(*sources, **more), path)
    return path
