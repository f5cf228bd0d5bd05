from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from waylab_runner.errors import PageError
from waylab_runner.page_process import PageProcess


def notebook(text: str) -> dict[str, Any]:
    output = {"output_type": "stream", "name": "stdout", "text": text}
    cell = {
        "cell_type": "code",
        "id": "one",
        "source": "1",
        "metadata": {},
        "execution_count": 1,
        "outputs": [output],
    }
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_the_page_shows_what_the_notebook_printed(tmp_path: Path) -> None:
    maker = PageProcess(tmp_path)
    try:
        page = maker.render(notebook("naïve \ud800 text"), "a title").decode("utf-8")
    finally:
        maker.end()

    assert "naïve ? text" in page
    assert "<title>a title</title>" in page


def test_what_is_no_notebook_gives_an_error_and_not_a_page(tmp_path: Path) -> None:
    maker = PageProcess(tmp_path)
    try:
        with pytest.raises(PageError, match="exit status 1"):
            maker.render({"cells": 7}, "a title")
    finally:
        maker.end()


def test_a_process_that_was_never_asked_leaves_nothing(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    maker = PageProcess(tmp_path)
    assert set(psutil.Process().children()) > before

    maker.end()

    assert set(psutil.Process().children()) == before
    assert list(tmp_path.iterdir()) == []
