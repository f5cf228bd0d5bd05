"""`waylab users`, with no hub running."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from waylab_hub.cli import users
from waylab_site.state import State

PASSWORD = "correct horse battery"  # noqa: S105 - made up here.


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    State.open(tmp_path / "state", open_root=tmp_path / "open")
    return CliRunner(env={**os.environ, "WAYLAB_HOME": str(tmp_path / "state")})


def test_a_user_is_added_listed_and_removed(runner: CliRunner) -> None:
    added = runner.invoke(users, ["add", "ann", "--json"])
    listed = runner.invoke(users, ["list", "--json"])
    removed = runner.invoke(users, ["remove", "ann"])
    after = runner.invoke(users, ["list", "--json"])

    assert len(json.loads(added.stdout)["password"]) == 16
    (ann,) = json.loads(listed.stdout)
    assert (ann["name"], ann["admin"], ann["first"]) == ("ann", False, False)
    assert "ends with its next start" in removed.stdout
    assert json.loads(after.stdout) == []


def test_a_given_password_is_not_shown(runner: CliRunner) -> None:
    done = runner.invoke(
        users, ["add", "ann", "--admin", "--password-stdin"], input=f"{PASSWORD}\n"
    )

    assert done.exit_code == 0
    assert done.stdout == "Added ann.\n"
    assert "admin" in runner.invoke(users, ["list"]).stdout


def test_a_new_password_is_made(runner: CliRunner) -> None:
    runner.invoke(users, ["add", "ann"])

    done = runner.invoke(users, ["passwd", "ann"])

    assert "ann has a new password." in done.stdout
    assert "Password: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["add", "Ann"], "is not a user name"),
        (["passwd", "nobody"], "There is no user 'nobody'"),
        (["remove", "nobody"], "There is no user 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said(
    runner: CliRunner, arguments: list[str], complaint: str
) -> None:
    done = runner.invoke(users, [*arguments, "--json"])

    assert done.exit_code == 1
    assert complaint in json.loads(done.stdout)["error"]
