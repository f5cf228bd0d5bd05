from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from tests.waylab_lab.rig import Lab, add_run, code_cell, notebook

from waylab_clearml.client import Client
from waylab_lab.outputs import output_name


def finished_run(client: Client, name: str) -> str:
    """Record a completed run whose output notebook holds a script."""
    run = add_run(client, name)
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/html": "<script>alert(1)</script>"},
    }
    content = json.dumps(notebook(code_cell(f"show({name!r})", output))).encode()
    uri = client.upload(
        f"p/{name}.{run}/artifacts/notebook/out.ipynb", content, "application/json"
    )
    client.call(
        "tasks.add_or_update_artifacts",
        {
            "task": run,
            "artifacts": [
                {"key": "notebook", "type": "custom", "mode": "output", "uri": uri}
            ],
        },
    )
    client.call("tasks.started", {"task": run, "force": True})
    client.call("tasks.completed", {"task": run, "force": True})
    return run


def trusted(lab: Lab, path: str) -> bool:
    """Whether the lab shows the rich outputs of a notebook."""
    answer = httpx.get(
        f"{lab.url}/api/contents/{path}",
        headers={"Authorization": f"token {lab.token}"},
        trust_env=False,
    )
    (cell,) = answer.json()["content"]["cells"]
    return bool(cell["metadata"].get("trusted"))


def test_an_own_output_is_saved_read_only_and_trusted(lab: Lab, ada: Client) -> None:
    run = finished_run(ada, "own")
    saved = lab.post(f"runs/{run}/output", {})
    assert saved == {
        "path": f"waylab-runs/own-{run[:8]}.ipynb",
        "final": True,
        "changed": True,
    }
    file = lab.root / saved["path"]
    assert file.stat().st_mode & 0o777 == 0o444
    assert json.loads(file.read_text("utf-8"))["cells"][0]["source"] == "show('own')"
    assert trusted(lab, saved["path"])
    assert lab.post(f"runs/{run}/output", {})["changed"] is False


def test_anothers_output_is_not_trusted(lab: Lab, grace: Client) -> None:
    run = finished_run(grace, "foreign")
    saved = lab.post(f"runs/{run}/output", {})
    assert not trusted(lab, saved["path"])


def test_a_run_without_output_says_so(lab: Lab, ada: Client) -> None:
    run = add_run(ada, "not-started")
    answer = lab.post(f"runs/{run}/output", {}, 404)
    assert "no output notebook yet" in answer["message"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("train", "train-0123abcd.ipynb"),
        ("train.ipynb", "train-0123abcd.ipynb"),
        ("a{b}", "a{b}-0123abcd.ipynb"),
        ("../../etc/passwd", "etc_passwd-0123abcd.ipynb"),
        (".hidden", "hidden-0123abcd.ipynb"),
        ("실험 1", "실험 1-0123abcd.ipynb"),
        ("???", "run-0123abcd.ipynb"),
        ("x" * 300, "x" * 80 + "-0123abcd.ipynb"),
    ],
)
def test_a_file_name_is_safe_and_readable(name: str, file: str) -> None:
    assert output_name(name, "0123abcdef") == file
    assert Path(file).name == file
