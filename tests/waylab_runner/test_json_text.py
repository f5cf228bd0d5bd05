from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from waylab_runner.json_text import json_bytes, notebook_bytes

nbformat: Any = importlib.import_module("nbformat")
v4: Any = importlib.import_module("nbformat.v4")


def test_a_notebook_is_written_as_nbformat_writes_it() -> None:
    outputs = [
        v4.new_output(
            "stream", name="stderr", text='lines\n"\\\x1b[31m\u2028ü😀\n\x7f'
        ),
        v4.new_output(
            "display_data",
            {
                "text/html": "<b>\n</b>",
                "image/png": "iVBORw0=\n",
                "application/json": {"b": [1, 2.5, None, True], "a": {}},
            },
            metadata={"z": 1, "image/png": {"width": 10}},
        ),
        v4.new_output(
            "error", ename="E", evalue="why", traceback=["one\ntwo", "three"]
        ),
    ]
    code = v4.new_code_cell("a\nb", outputs=outputs, execution_count=3)
    attached = v4.new_markdown_cell("# é", attachments={"a.png": {"image/png": "iV=="}})
    notebook = v4.new_notebook(
        cells=[code, attached, v4.new_raw_cell("raw"), v4.new_code_cell("")],
        metadata={"widgets": {"z": [], "a": [{}]}, "signature": "gone"},
    )
    assert notebook_bytes(notebook) == nbformat.writes(notebook).encode()
    assert notebook.cells[0].source == "a\nb"


@pytest.mark.parametrize("indent", [None, 1])
def test_half_a_surrogate_pair_becomes_a_question_mark(indent: int | None) -> None:
    value = {"text": "naïve \ud800", "number": 10**30}
    written = json_bytes(value, indent=indent)
    assert json.loads(written) == {"text": "naïve ?", "number": 10**30}
    assert (b"\n" in written) == (indent is not None)
