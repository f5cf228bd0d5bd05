"""The output notebook as one HTML file: nothing in it runs, nothing is fetched."""

from __future__ import annotations

import functools
import importlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "html_template"
# A page with more text than this in one output is of no use in a browser.
STREAM_CHARACTERS = 1_000_000
SANITISED_CHARACTERS = 5_000_000
# What the templates put between pieces; random, so that no output can contain it.
_MARK = f"<!--{secrets.token_hex(16)}-->"


class Page:
    """A page that is made in pieces, while the notebook's cells get their outputs."""

    def __init__(self, frame: Any, title: str) -> None:
        """Make what is around the cells; `frame` is the notebook without cells.

        A widget shows as its text, since nothing runs: its state is of no use.
        """
        metadata = {**frame.metadata}
        metadata.pop("widgets", None)
        self._frame = {**frame, "metadata": type(frame)(metadata)}
        self._node = type(frame)
        self._title = title
        self._head, self._foot = self._pieces("index.html.j2", [])
        self._cells: dict[int, str] = {}

    def put(self, cells: Mapping[int, Any]) -> None:
        """Make cells (NotebookNodes, by their places), or make them anew."""
        shortened = [_shortened(cell) for cell in cells.values()]
        _, *pieces, _ = self._pieces("cells.html.j2", shortened)
        self._cells.update(zip(cells, pieces, strict=True))

    def text(self) -> str:
        """Give the page with the cells that were put into it, by their places."""
        cells = (self._cells[place] for place in sorted(self._cells))
        return "".join((self._head, *cells, self._foot))

    def _pieces(self, template: str, cells: list[Any]) -> list[str]:
        notebook = self._node({**self._frame, "cells": cells})
        resources = {"metadata": {"name": self._title}, "waylab_mark": _MARK}
        exporter = _exporter()
        exporter.template_file = template
        page, _ = exporter.from_notebook_node(notebook, resources=resources)
        return str(page).split(_MARK)


@functools.cache
def _exporter() -> Any:
    exporters = importlib.import_module("nbconvert.exporters")
    return exporters.HTMLExporter(
        template_name="waylab",
        extra_template_basedirs=[str(TEMPLATES)],
        sanitize_html=True,
    )


def _shortened(cell: Any) -> Any:
    """Give a cell with overlong texts cut; shares what is not cut."""
    if cell.cell_type != "code" or not cell.outputs:
        return cell
    outputs = [_shortened_output(output) for output in cell.outputs]
    return type(cell)({**cell, "outputs": outputs})


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
