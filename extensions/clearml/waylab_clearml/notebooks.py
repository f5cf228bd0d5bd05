"""Notebook files: reading them with clear errors, and vouching for their outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_notebook(path: Path) -> dict[str, Any]:
    """Read a notebook as nbformat 4 JSON (older formats are upgraded).

    Raises:
        NotebookError: missing, not JSON, or not a valid notebook; it says which.
    """
    raise NotImplementedError


def sign(path: Path) -> None:
    """Mark a notebook's outputs as trusted by this account.

    Trust is kept per account, by the notebook's content: JupyterLab shows rich outputs
    (JavaScript, styled HTML) of notebooks that *its* account signed. So the job signs
    its output for its own account, and a lab calls this for each output notebook that
    it fetched from a run of its user, after it is written to its final place.
    """
    raise NotImplementedError
