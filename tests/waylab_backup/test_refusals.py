"""What is no backup, and where none is restored."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from waylab_backup import making, restoring
from waylab_backup.errors import BackupError, DamagedError, DatabaseError
from waylab_backup.manifest import NAME, Kind, Manifest
from waylab_clearml.cli import application
from waylab_hub.users import Users
from waylab_site.inventory import this_machine
from waylab_site.loading import default_text
from waylab_site.state import State

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def silent(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State.open(tmp_path / "state", open_root=tmp_path / "open")
    state.site_file.write_text("# A site.\n", "utf-8")
    state.secret("proxy-token")
    Users(state.hub / "users.sqlite").add("ann", "correct horse battery")
    return state


@pytest.fixture
def backup(state: State, tmp_path: Path) -> Path:
    folder = tmp_path / "backup"
    making.make(state.root, folder, NOW, urls={}, say=silent)
    return folder


def test_files_in_another_store_are_told_and_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State.open(tmp_path / "state", open_root=tmp_path / "open")
    named = '\n[tracking]\nfiles = "s3://bucket/folder"\n'
    state.site_file.write_text(default_text(this_machine()) + named, "utf-8")
    monkeypatch.setenv("WAYLAB_HOME", str(state.root))
    folder, told = tmp_path / "backup", "Not in it: the files in s3://bucket/folder."

    made = CliRunner().invoke(application(), ["backup", str(folder)])
    checked = CliRunner().invoke(application(), ["restore", "--check", str(folder)])

    assert told in made.stdout
    assert told in checked.stdout
    assert Manifest.read(folder).elsewhere == "s3://bucket/folder"


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def link(path: Path) -> None:
    kept = path.rename(path.with_name("elsewhere"))
    path.symlink_to(kept)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (append, "bytes instead of"),
        (flip, "was changed"),
        (link, "is no file"),
        (Path.unlink, "is missing"),
    ],
)
@pytest.mark.parametrize("name", ["waylab.toml", "hub/users.sqlite"])
def test_a_backup_that_was_changed_is_not_restored(
    backup: Path,
    tmp_path: Path,
    name: str,
    damage: Callable[[Path], None],
    said: str,
) -> None:
    damage(backup / name)

    with pytest.raises(DamagedError, match=f"{name} .*{said}"):
        restoring.restore(backup, tmp_path / "new", urls={}, say=silent)
    assert not (tmp_path / "new").exists()


def test_a_backup_without_a_file_of_its_list_is_not_restored(backup: Path) -> None:
    manifest = json.loads((backup / NAME).read_text("utf-8"))
    del manifest["entries"][0]
    (backup / NAME).write_text(json.dumps(manifest), "utf-8")

    with pytest.raises(DamagedError, match="the list of files was changed"):
        restoring.verify(backup)


def test_a_backup_with_a_link_for_a_folder_is_not_restored(
    backup: Path, tmp_path: Path
) -> None:
    (backup / "hub").rename(tmp_path / "elsewhere")
    (backup / "hub").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DamagedError, match="is no file"):
        restoring.restore(backup, tmp_path / "new", urls={}, say=silent)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "path", ["../new/a", "/etc/a", "a/../../b", "", "..", "/", "//etc/a", "a\0b"]
)
def test_a_manifest_that_leads_out_of_the_folder_is_refused(
    backup: Path, path: str
) -> None:
    manifest = json.loads((backup / NAME).read_text("utf-8"))
    manifest["entries"][0]["path"] = path
    (backup / NAME).write_text(json.dumps(manifest), "utf-8")

    with pytest.raises(DamagedError, match="relative path"):
        restoring.verify(backup)


def test_a_backup_that_was_not_finished_is_none(backup: Path) -> None:
    (backup / NAME).unlink()

    with pytest.raises(DamagedError, match="not finished"):
        restoring.verify(backup)


def test_a_state_folder_in_use_is_left_alone(backup: Path, state: State) -> None:
    with (
        state.lock("tracking"),
        pytest.raises(BackupError, match=rf"\(tracking, process {os.getpid()}\)"),
    ):
        restoring.restore(backup, state.root, urls={}, say=silent)


def test_a_state_folder_with_something_in_it_is_left_alone(
    backup: Path, state: State
) -> None:
    before = sorted(state.root.rglob("*"))

    with pytest.raises(BackupError, match="is not empty"):
        restoring.restore(backup, state.root, urls={}, say=silent)
    assert sorted(state.root.rglob("*")) == before


def test_a_database_file_is_not_restored_where_postgresql_is_wanted(
    backup: Path, tmp_path: Path
) -> None:
    urls = {"ledger": "postgresql+psycopg://nobody@127.0.0.1:1/none"}

    with pytest.raises(BackupError, match="unset WAYLAB_LEDGER_URL"):
        restoring.restore(backup, tmp_path / "new", urls=urls, say=silent)


def test_a_database_of_postgresql_that_does_not_answer_is_told_without_its_password(
    state: State, tmp_path: Path
) -> None:
    urls = {"ledger": "postgresql+psycopg://nobody:secret@127.0.0.1:1/none"}

    with pytest.raises(DatabaseError, match="ledger") as failed:
        making.make(state.root, tmp_path / "b", NOW, urls=urls, say=silent)
    assert "secret" not in str(failed.value)
    with pytest.raises(DamagedError, match="not finished"):
        restoring.verify(tmp_path / "b")


def test_a_damaged_database_is_told_while_the_backup_is_made(
    state: State, tmp_path: Path
) -> None:
    path = state.hub / "users.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
    raw = bytearray(path.read_bytes())
    raw[4096:8192] = b"\xff" * 4096
    path.write_bytes(raw)

    with pytest.raises(BackupError, match=r"users.sqlite"):
        making.make(state.root, tmp_path / "b", NOW, urls={}, say=silent)


@pytest.mark.parametrize("place", ["state/backup", "state", "backup"])
def test_no_backup_is_made_in_the_state_folder_or_over_another(
    state: State, backup: Path, tmp_path: Path, place: str
) -> None:
    with pytest.raises(BackupError, match="name a folder"):
        making.make(state.root, tmp_path / place, NOW, urls={}, say=silent)
    restoring.verify(backup)


def test_what_is_no_file_and_what_is_made_anew_is_left_out(
    state: State, tmp_path: Path
) -> None:
    (state.hub / "settings.json").write_text("{}", "utf-8")
    (state.hub / "link").symlink_to("/etc/passwd")
    os.mkfifo(state.hub / "pipe")

    made = making.make(state.root, tmp_path / "b", NOW, urls={}, say=silent)

    assert [one.path for one in made.entries] == [
        *("hub/users.sqlite", "places.json", "secrets/proxy-token", "waylab.toml")
    ]
    assert {one.path: one.mode for one in made.entries}["waylab.toml"] != 0
    assert [one.path for one in made.of(Kind.SQLITE)] == ["hub/users.sqlite"]


def test_the_command_line_backs_up_checks_and_restores_to_another_place(
    state: State, tmp_path: Path
) -> None:
    runner, folder = CliRunner(), tmp_path / "b"

    def waylab(root: Path, *arguments: str) -> str:
        environment = {**os.environ, "WAYLAB_HOME": str(root)}
        done = runner.invoke(application(), list(arguments), env=environment)
        assert done.exit_code == 0, done.output
        return done.stdout

    mask = os.umask(0)
    try:
        said = waylab(state.root, "backup", str(folder))
        told = json.loads(
            waylab(state.root, "restore", "--check", "--json", str(folder))
        )
        waylab(tmp_path / "new", "restore", str(folder))
    finally:
        os.umask(mask)

    assert said.startswith(f"Backed up to {folder}: 4 files")
    assert (told["files"], told["root"]) == (4, str(state.root))
    assert folder.stat().st_mode & 0o777 == 0o700
    moved = State.open(tmp_path / "new", open_root=tmp_path / "open")
    assert moved.site_id == state.site_id
    assert [user.name for user in Users(moved.hub / "users.sqlite").all()] == ["ann"]
    if not state.isolated:
        assert moved.homes == tmp_path / "new" / "homes"


def test_the_command_line_says_in_one_sentence_why_it_refuses(
    state: State, tmp_path: Path
) -> None:
    environment = {**os.environ, "WAYLAB_HOME": str(state.root)}

    done = CliRunner().invoke(
        application(), ["restore", str(tmp_path), "--json"], env=environment
    )

    assert done.exit_code == 1
    assert "is not empty" in json.loads(done.stdout)["error"]
