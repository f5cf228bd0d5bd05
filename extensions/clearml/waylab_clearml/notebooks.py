"""Notebook files: reading them with clear errors, and vouching for their outputs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, cast

from waylab_clearml.errors import NotebookError

CURRENT_FORMAT = 4


def read_notebook(path: Path) -> dict[str, Any]:
    """Read a notebook as nbformat 4 JSON (older formats are upgraded).

    Raises:
        NotebookError: missing, not JSON, or not a valid notebook; it says which.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"Cannot read the notebook {path}: {error.strerror}."
        raise NotebookError(msg) from error
    return parse_notebook(content, name=path.name)


def parse_notebook(content: bytes, *, name: str) -> dict[str, Any]:
    """Read a notebook's bytes as nbformat 4 JSON; `name` is for messages.

    Raises:
        NotebookError: not JSON, or not a valid notebook; it says which.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        msg = f"{name} is not a notebook: it does not hold JSON ({error})."
        raise NotebookError(msg) from error
    if not isinstance(data, dict) or not isinstance(data.get("nbformat"), int):
        msg = f"{name} is not a notebook: it has no `nbformat` number."
        raise NotebookError(msg)
    if data["nbformat"] > CURRENT_FORMAT:
        msg = (
            f"{name} has notebook format {data['nbformat']}; the newest known here is "
            f"{CURRENT_FORMAT}. Save it in that format."
        )
        raise NotebookError(msg)
    return _valid(data, name)


def _valid(data: dict[str, Any], name: str) -> dict[str, Any]:
    nbformat = _nbformat()
    try:
        notebook = nbformat.convert(nbformat.from_dict(data), CURRENT_FORMAT)
        # Files keep long texts as lists of lines.
        notebook = nbformat.v4.rwbase.rejoin_lines(notebook)
        # Cells without ids are no fault of the author: older formats have none.
        _, notebook = nbformat.validator.normalize(notebook)
        nbformat.validate(notebook)
    except (
        nbformat.ValidationError,
        AttributeError,  # What convert and normalize run into with odd structures.
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "?"
        msg = f"{name} is not a valid notebook: {reason[:200]}"
        raise NotebookError(msg) from error
    return cast("dict[str, Any]", notebook)


def join_lines(notebook: dict[str, Any]) -> dict[str, Any]:
    """Give a notebook whose long texts are texts, not lists of lines as in files.

    Changes the notebook in place; MIME bundles of JSON stay as they are.
    """
    for cell in notebook.get("cells") or ():
        _join(cell, "source")
        for output in cell.get("outputs") or ():
            _join(output, "text")
            data = output.get("data") or {}
            for kind in data:
                if kind != "application/json" and not kind.endswith("+json"):
                    _join(data, kind)
    return notebook


def _join(holder: dict[str, Any], key: str) -> None:
    value = holder.get(key)
    if isinstance(value, list):
        holder[key] = "".join(map(str, value))


def sign(path: Path) -> None:
    """Mark a notebook's outputs as trusted by this account.

    Trust is kept per account, by the notebook's content: JupyterLab shows rich outputs
    (JavaScript, styled HTML) of notebooks that *its* account signed. So the job signs
    its output for its own account, and a lab calls this for each output notebook that
    it fetched from a run of its user, after it is written to its final place.

    Raises:
        NotebookError: the file is no valid notebook.
    """
    notebook = _nbformat().from_dict(read_notebook(path))
    notary = importlib.import_module("nbformat.sign").NotebookNotary()
    notary.sign(notebook)


def _nbformat() -> Any:
    # Imported late (0.3 s, which `waylab --help` must not take); it has no types.
    return importlib.import_module("nbformat")
