from __future__ import annotations

import importlib
from typing import Any

import pytest
from bs4 import BeautifulSoup

from waylab_runner.page import Page

v4: Any = importlib.import_module("nbformat.v4")

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def shown(**data: str) -> Any:
    named = {kind.replace("_", "/"): value for kind, value in data.items()}
    return v4.new_code_cell("1", outputs=[v4.new_output("display_data", named)])


def test_cells_stand_in_the_order_of_the_notebook_whatever_came_first() -> None:
    page = Page(v4.new_notebook(), "a title")
    page.put({2: v4.new_code_cell("third_one"), 0: v4.new_markdown_cell("first *one*")})
    page.put({1: v4.new_raw_cell("second one"), 3: v4.new_code_cell("replaced")})
    page.put({3: v4.new_code_cell("fourth_one")})
    soup = BeautifulSoup(page.text(), "html.parser")
    assert soup.main is not None
    words = [text for text in soup.main.stripped_strings if "one" in text]
    assert words == ["one", "second one", "third_one", "fourth_one"]
    assert "replaced" not in page.text()


def test_a_page_is_the_same_in_pieces_and_at_once() -> None:
    cells = [
        v4.new_markdown_cell("# Title\nwords $x^2$"),
        v4.new_code_cell("%matplotlib inline\nx = 1", execution_count=1),
        shown(text_html="<table><tr><td>cell</td></tr></table>"),
        shown(image_png="iVBORw0="),
        shown(text_latex="$y$"),
    ]
    at_once = Page(v4.new_notebook(), "a title")
    at_once.put(dict(enumerate(cells)))
    pieces = Page(v4.new_notebook(), "a title")
    for place, cell in enumerate(cells):
        pieces.put({place: cell})
    assert pieces.text() == at_once.text()


@pytest.mark.parametrize(
    "hostile",
    [
        "<!-- never ended",
        "<script>alert(1)",
        "<style>",
        "<plaintext>",
        "<title>",
        "<![CDATA[",
        "</main></body></html>",
        "<textarea><!--",
        '<svg onload="alert(1)"><script>',
        "<?php",
        "<b onclick='alert(1)' title=\"",
    ],
)
def test_no_cell_can_reach_beyond_itself(hostile: str) -> None:
    page = Page(v4.new_notebook(), "a title")
    cells = [
        v4.new_markdown_cell(hostile),
        v4.new_raw_cell(hostile),
        v4.new_raw_cell(hostile, metadata={"raw_mimetype": "text/html"}),
        v4.new_code_cell(hostile),
        v4.new_code_cell("1", outputs=[v4.new_output("stream", text=hostile)]),
        v4.new_code_cell(
            "1",
            outputs=[v4.new_output("error", ename="E", evalue="", traceback=[hostile])],
        ),
        *(
            shown(**{kind: hostile})
            for kind in (
                "text_html",
                "text_markdown",
                "text_latex",
                "text_plain",
                "image_svg+xml",
                "image_png",
                "text_vnd.mermaid",
                "application_javascript",
            )
        ),
    ]
    page.put(dict(enumerate(cells)))
    page.put({len(cells): v4.new_code_cell("the_last")})
    soup = BeautifulSoup(page.text(), "html.parser")
    assert soup.find_all("script") == []
    assert [tag for tag in soup.find_all() if "onclick" in tag.attrs] == []
    (main,) = soup.find_all("main")
    last = main.find_all(class_="jp-CodeCell", recursive=False)[-1]
    assert "the_last" in last.get_text()


def test_a_widget_shows_as_its_text() -> None:
    view = {VIEW: {"model_id": "m1"}, "text/plain": "IntSlider(value=7)"}
    state = {"state": {"m1": {"model_name": "IntSliderModel"}}}
    notebook = v4.new_notebook(metadata={"widgets": {STATE: state}})
    page = Page(notebook, "a title")
    page.put({0: v4.new_code_cell("1", outputs=[v4.new_output("display_data", view)])})
    soup = BeautifulSoup(page.text(), "html.parser")
    assert "IntSlider(value=7)" in soup.get_text()
    assert soup.find_all("script") == []
    assert notebook.metadata.widgets == {STATE: state}
