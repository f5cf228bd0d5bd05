from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import psutil
import pytest

from waylab_runner.errors import PageError
from waylab_runner.page_process import PageProcess

v4: Any = importlib.import_module("nbformat.v4")


def printing(text: str) -> Any:
    return v4.new_code_cell("1", outputs=[v4.new_output("stream", text=text)])


def test_the_page_shows_what_the_notebook_printed(tmp_path: Path) -> None:
    notebook = v4.new_notebook(cells=[printing("naïve \ud800 text")])
    maker = PageProcess(tmp_path, notebook, "a title")
    try:
        page = maker.finish(notebook).decode("utf-8")
    finally:
        maker.end()

    assert "naïve ? text" in page
    assert "<title>a title</title>" in page


def test_the_page_shows_the_notebook_as_it_is_at_the_end(tmp_path: Path) -> None:
    cells = [v4.new_markdown_cell("*words*"), printing(""), printing(""), printing("")]
    notebook = v4.new_notebook(cells=cells)
    maker = PageProcess(tmp_path, notebook, "a title")
    try:
        maker.cell_finished(1, printing("an early state"), well=True)
        maker.cell_finished(2, printing("the second"), well=True)
        cells[1].outputs[0].text = "the first"
        cells[2].outputs[0].text = "the second"
        cells[3].outputs[0].text = "the third, never told of"
        page = maker.finish(notebook).decode("utf-8")
    finally:
        maker.end()

    assert "an early state" not in page
    told = ["<em>words</em>", "the first", "the second", "the third, never told of"]
    places = [page.index(text) for text in told]
    assert places == sorted(places)
    assert [page.count(text) for text in told] == [1] * 4


def test_a_cell_that_cannot_be_shown_gives_an_error_and_not_a_page(
    tmp_path: Path,
) -> None:
    notebook = v4.new_notebook(cells=[printing("")])
    maker = PageProcess(tmp_path, notebook, "a title")
    notebook.cells[0].outputs[0].text = 7
    try:
        with pytest.raises(PageError, match="exit status 1"):
            maker.finish(notebook)
    finally:
        maker.end()


def test_a_process_that_was_never_asked_leaves_nothing(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    maker = PageProcess(tmp_path, v4.new_notebook(), "a title")
    assert set(psutil.Process().children()) > before

    maker.end()

    assert set(psutil.Process().children()) == before
    assert list(tmp_path.iterdir()) == []
