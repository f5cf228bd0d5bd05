"""A running site as its command line and its HTTP doors show it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
STARTERS = sorted((ROOT / "templates/notebooks").glob("*.ipynb"))
FORBIDDEN = {403, 404}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def run(site: Any, notebook: Path, *words: str, check: bool = True) -> dict[str, Any]:
    """Run a notebook through a queue to its end, and give its record."""
    done = site.cli("run", str(notebook), *words, "--wait", "--json", check=check)
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def notebook_of(folder: Path, name: str, *cells: str) -> Path:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],  # type: ignore[no-untyped-call]
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    path = folder / name
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


@pytest.mark.parametrize("starter", STARTERS, ids=lambda path: path.stem)
def test_a_starter_runs_through_a_queue(site: Any, starter: Path) -> None:
    queue = {"vision": "vision", "nlp": "nlp"}.get(starter.stem.split("-")[0])
    record = run(site, starter, "--queue", queue or "regression")

    assert record["state"] == "completed", record


def test_a_failing_cell_fails_the_command_and_is_named(
    site: Any, tmp_path: Path
) -> None:
    path = notebook_of(tmp_path, "a{b}.ipynb", "1", "2", "1 / 0", "4")

    done = site.cli("run", str(path), "--queue", "default", "--wait", check=False)

    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stdout + done.stderr
    assert re.search(r"cell 3\b", done.stdout + done.stderr, re.IGNORECASE)


def test_fifty_megabytes_of_output_arrive(site: Any, tmp_path: Path) -> None:
    flood = "print('\\n'.join('x' * 99 for _ in range(10_000)))"
    path = notebook_of(tmp_path, "flood.ipynb", *[flood] * 50)

    record = run(site, path, "--queue", "default")

    assert record["state"] == "completed", record
    shown = json.loads(site.cli("runs", "show", record["id"], "--json").stdout)
    sizes = {one["key"]: one["size_bytes"] for one in shown["artifacts"]}
    assert sizes["notebook"] > 50_000_000


def test_another_user_finds_every_door_closed(site: Any, tmp_path: Path) -> None:
    path = notebook_of(tmp_path, "secret.ipynb", "print('mine alone')")
    record = run(site, path, "--queue", "default")
    operator = json.loads((site.home / "secrets/operator.json").read_text("utf-8"))
    system = json.loads((site.home / "secrets/tracking-system.json").read_text("utf-8"))
    api = operator["api_url"]

    def post(endpoint: str, body: dict[str, Any], **how: Any) -> httpx.Response:
        return httpx.post(f"{api}/{endpoint}", json=body, trust_env=False, **how)

    def token(keys: tuple[str, str], **how: Any) -> str:
        text: str = post("auth.login", {}, auth=keys, **how).json()["data"]["token"]
        return text

    root = {
        "Authorization": "Bearer " + token((system["access_key"], system["secret_key"]))
    }
    post("waylab.ensure_user", {"name": "eve", "role": "user"}, headers=root)
    made = post(
        "auth.create_credentials",
        {"label": "test"},
        headers={**root, "X-Clearml-Impersonate-As": "eve"},
    ).json()["data"]["credentials"]
    eve = {"Authorization": f"Bearer {token((made['access_key'], made['secret_key']))}"}
    task = record["id"]

    for endpoint in ("edit", "stop", "delete", "reset", "failed", "enqueue"):
        body = {"task": task, "force": True, "name": "taken over"}
        answer = post(f"tasks.{endpoint}", body, headers=eve)
        assert answer.status_code in FORBIDDEN, (endpoint, answer.text)
    event = {"type": "log", "task": task, "msg": "forged"}
    assert post("events.add", event, headers=eve).json()["data"].get("added", 0) == 0
    assert post("waylab.job_token", {"task": task}, headers=eve).status_code == 403
    forged = {f"p/x.{task}/artifacts/notebook/a.ipynb": b"forged"}
    answer = httpx.post(f"{api}/files/", files=forged, headers=eve, trust_env=False)
    assert answer.status_code in FORBIDDEN
    assert httpx.get(f"{api}/files/", trust_env=False).status_code in {200, 401}
    for path_of_lab in ("/user/admin/lab", "/user/admin/api/contents"):
        answer = httpx.get(f"{site.url}{path_of_lab}", trust_env=False)
        assert answer.status_code != 200
