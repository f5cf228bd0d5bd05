"""The starter notebooks are fit to be copied, read, and run remotely."""

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from waylab_clearml.parameters import infer
from waylab_lab.starters import list_starters

FOLDER = Path(__file__).parents[2] / "templates" / "notebooks"
STARTERS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(params=STARTERS, ids=lambda path: str(path.stem))
def notebook(request: pytest.FixtureRequest) -> dict[str, Any]:
    path: Path = request.param
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def sources(notebook: dict[str, Any], kind: str) -> list[str]:
    return [
        "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == kind
    ]


def test_there_is_one_for_each_domain() -> None:
    domains = {
        json.loads(p.read_text())["metadata"]["waylab"]["domain"] for p in STARTERS
    }

    assert domains == {"vision", "nlp", "regression"}


def test_the_launcher_can_show_them() -> None:
    shown = list_starters(FOLDER)

    assert [starter.name for starter in shown] == [
        "nlp-text-classifier.ipynb",
        "regression-diabetes.ipynb",
        "vision-digits.ipynb",
    ]
    assert all(starter.title and starter.description for starter in shown)


def test_it_is_a_valid_notebook_without_outputs(notebook: dict[str, Any]) -> None:
    nbformat.validate(notebook)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]

    assert [cell["id"] for cell in code if cell["outputs"]] == []
    assert [cell["id"] for cell in code if cell["execution_count"]] == []


def test_every_parameter_says_what_it_is(notebook: dict[str, Any]) -> None:
    parameters = infer(notebook)

    assert len(parameters) >= 5
    assert [p.name for p in parameters if not p.help] == []
    assert [p.name for p in parameters if p.computed or p.default is None] == []
    assert "seed" in {p.name for p in parameters}


def test_what_is_recorded_are_its_parameters(notebook: dict[str, Any]) -> None:
    """The dictionary for `task.connect` names each parameter once, by its own name."""
    names = [parameter.name for parameter in infer(notebook)]
    (cell,) = (c for c in sources(notebook, "code") if "task.connect" in c)
    (connected,) = (
        node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Dict)
    )

    assert [ast.literal_eval(key) for key in connected.keys if key] == names
    assert [ast.unparse(value) for value in connected.values] == names
    assert 'name="Notebook"' in cell


def test_it_downloads_nothing(notebook: dict[str, Any]) -> None:
    code = "\n".join(sources(notebook, "code"))

    assert "http" not in code
    assert "fetch_" not in code
    assert "!pip" not in code
    assert "%pip" not in code


def test_it_explains_more_than_it_computes(notebook: dict[str, Any]) -> None:
    assert len(sources(notebook, "markdown")) * 2 >= len(sources(notebook, "code"))
