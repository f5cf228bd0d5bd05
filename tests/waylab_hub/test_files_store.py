"""The store of uploaded files that a site names, seen by who starts Waylab."""

from __future__ import annotations

from pathlib import Path

import pytest

from waylab_hub.checks import Verdict
from waylab_hub.doctor import examine
from waylab_hub.errors import StartError
from waylab_hub.files_store import store_environment, store_problem
from waylab_hub.settings import Environment
from waylab_site.inventory import this_machine
from waylab_site.loading import default_text
from waylab_site.state import State

# Nobody listens at port 1.
AWAY = {
    "AWS_ACCESS_KEY_ID": "a-key",
    "AWS_SECRET_ACCESS_KEY": "a-secret",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
}


def test_only_what_reaches_a_store_is_passed_on() -> None:
    given = {**AWAY, "FSSPEC_X": "y", "WAYLAB_ADMIN_PASSWORD": "z", "HOME": "/root"}

    assert store_environment(given) == {**AWAY, "FSSPEC_X": "y"}


def test_a_store_that_serves_has_no_problem() -> None:
    assert store_problem("memory://files", {}) == ""


def test_a_store_that_is_away_is_a_sentence_without_a_secret() -> None:
    problem = store_problem("s3://bucket/folder", AWAY)

    assert problem.startswith("The files' store s3://bucket/folder cannot be used now")
    assert "Could not connect" in problem
    assert "files-in-s3.md" in problem
    assert "a-secret" not in problem


def test_a_store_that_can_never_be_used_refuses_the_start() -> None:
    with pytest.raises(StartError, match="cannot be used: no files can be kept in"):
        store_problem("nonsense://bucket", {})


def test_the_doctor_looks_at_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in AWAY.items():
        monkeypatch.setenv(name, text)
    state = State.open(tmp_path / "state", open_root=tmp_path / "open")

    def verdict(files: str) -> Verdict | None:
        text = default_text(this_machine()) + f"\n[tracking]\n{files}\n"
        state.site_file.write_text(text, "utf-8")
        found = {check.name: check for check in examine(state.root, Environment())}
        return found["files' store"].verdict if "files' store" in found else None

    assert verdict("") is None
    assert verdict('files = "memory://files"') is Verdict.OK
    assert verdict('files = "s3://bucket"') is Verdict.BAD
    assert verdict('files = "nonsense://bucket"') is Verdict.BAD
