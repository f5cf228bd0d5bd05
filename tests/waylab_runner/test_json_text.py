from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
    new_raw_cell,
)

from waylab_runner.json_text import json_bytes, notebook_bytes


def test_a_notebook_is_written_as_nbformat_writes_it() -> None:
    outputs = [
        new_output("stream", name="stderr", text='lines\n"\\\x1b[31m\u2028ü😀\n\x7f'),
        new_output(
            "display_data",
            {
                "text/html": "<b>\n</b>",
                "image/png": "iVBORw0=\n",
                "application/json": {"b": [1, 2.5, None, True], "a": {}},
            },
            metadata={"z": 1, "image/png": {"width": 10}},
        ),
        new_output("error", ename="E", evalue="why", traceback=["one\ntwo", "three"]),
    ]
    code = new_code_cell("a\nb", outputs=outputs, execution_count=3)
    attached = new_markdown_cell("# é", attachments={"a.png": {"image/png": "iV=="}})
    notebook = new_notebook(
        cells=[code, attached, new_raw_cell("raw"), new_code_cell("")],
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
