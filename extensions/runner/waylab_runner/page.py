"""The output notebook as one HTML file: nothing in it runs, nothing is fetched."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "html_template"
# A page with more text than this in one output is of no use in a browser.
STREAM_CHARACTERS = 1_000_000
SANITISED_CHARACTERS = 5_000_000


def prepare() -> None:
    """Import what `render` needs, and compile its template, by using it once."""
    nbformat = importlib.import_module("nbformat.v4")
    render(nbformat.new_notebook(cells=[nbformat.new_code_cell("pass")]), "")


def render(notebook: Any, title: str) -> str:
    """Give the page of a notebook; the notebook itself is left as it is."""
    page, _ = _exporter().from_notebook_node(
        _shortened(notebook), resources={"metadata": {"name": title}}
    )
    return str(page)


@functools.cache
def _exporter() -> Any:
    exporters = importlib.import_module("nbconvert.exporters")
    return exporters.HTMLExporter(
        template_name="waylab",
        extra_template_basedirs=[str(TEMPLATES)],
        sanitize_html=True,
    )


def _shortened(notebook: Any) -> Any:
    """Give the notebook with overlong texts cut; shares what is not cut."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.outputs:
            outputs = [_shortened_output(output) for output in cell.outputs]
            cell = type(cell)({**cell, "outputs": outputs})  # noqa: PLW2901
        cells.append(cell)
    return type(notebook)({**notebook, "cells": cells})


def _shortened_output(output: Any) -> Any:
    if output.output_type == "stream":
        text = _cut(output.text, STREAM_CHARACTERS)
        return output if text is output.text else type(output)({**output, "text": text})
    data = output.get("data") or {}
    cut = {
        kind: _cut(value, SANITISED_CHARACTERS)
        for kind, value in data.items()
        if isinstance(value, str) and not kind.startswith("image/")
    }
    if all(cut[kind] is data[kind] for kind in cut):
        return output
    return type(output)({**output, "data": type(data)({**data, **cut})})


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    left = len(text) - limit
    return f"{text[:limit]}\n... {left} characters more in the output notebook."
