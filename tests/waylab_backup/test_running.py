"""Backups of what is being written to, and what is restored of them."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from tests.waylab_ledger.postgres import NoPostgresError, running_postgres
from tests.waylab_ledger.site import two_nodes
from tests.waylab_tracking.door import Door

from waylab_backup import making, restoring
from waylab_backup.errors import BackupError
from waylab_backup.manifest import Kind
from waylab_hub.users import Users
from waylab_ledger.ledger import Ledger
from waylab_site.state import State
from waylab_tracking.testing import Server, running_server

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"  # noqa: S105 - made up here.
Written = list[int]


def silent(_: str) -> None:
    """Say nothing."""


@contextmanager
def repeating(work: Callable[[int], None]) -> Iterator[Written]:
    """Do some work over and over; give the numbers of what is done."""
    done: Written = []
    end = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            for number in count():
                if end.is_set():
                    return
                work(number)
                done.append(number)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while len(done) < 5 and thread.is_alive():
            time.sleep(0.005)
        yield done
    finally:
        end.set()
        thread.join(30)
    assert failed == []


def integrity(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("PRAGMA integrity_check")]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path / "state", open_root=tmp_path / "open")


def test_what_was_answered_for_before_is_in_a_backup_made_while_all_write(
    state: State, tmp_path: Path
) -> None:
    users = Users(state.hub / "users.sqlite")
    ledger = Ledger.open(f"sqlite:///{state.board / 'ledger.sqlite'}")
    two_nodes(ledger)
    with running_server(state.tracking) as server:
        door = Door(server, server.create_user("ann"))
        keeper = Door(server, server.create_user("bob"))
        task = door.task("one that is reported of")

        def report(number: int) -> None:
            event = {"type": "log", "task": task, "msg": f"line {number}"}
            door.call("events.add", **event, timestamp=number)

        deleted = set()

        def store(number: int) -> None:
            keeper.upload(f"kept/{number}.bin", str(number).encode() * 999)
            keeper.upload("kept/replaced.bin", str(number).encode() * 999)
            if number % 3 == 2:
                deleted.add(f"kept/{number - 1}.bin")
                url = f"/files/kept/{number - 1}.bin"
                keeper.http.delete(url, headers=keeper.headers).raise_for_status()

        def write(number: int) -> None:
            users.add(f"user-{number}", PASSWORD)
            ledger.declare([], NOW + timedelta(seconds=number))

        with repeating(report) as lines, repeating(store), repeating(write) as added:
            known, named = len(lines), len(added)
            manifest = making.make(
                state.root, tmp_path / "backup", NOW, urls={}, say=silent
            )
            assert len(lines) > known  # Nobody was held up for good.
        door.close()
        keeper.close()
    ledger.close()

    root = tmp_path / "restored"
    assert restoring.restore(tmp_path / "backup", root, urls={}, say=silent) == manifest

    databases = [entry.path for entry in manifest.of(Kind.SQLITE)]
    assert databases == [
        *("board/ledger.sqlite", "hub/users.sqlite", "tracking/tracking.sqlite")
    ]
    assert {tuple(integrity(root / one)) for one in databases} == {("ok",)}
    names = {user.name for user in Users(root / "hub" / "users.sqlite").all()}
    assert {f"user-{number}" for number in added[:named]} <= names
    with closing(sqlite3.connect(root / "tracking" / "tracking.sqlite")) as db:
        stored = {row[0] for row in db.execute("SELECT path FROM files")}
    files = root / "tracking" / "files"
    assert {one for one in stored if not (files / one).exists()} <= deleted
    assert {one.removeprefix("tracking/files/") for one in manifest.gone} <= deleted
    assert len(stored - deleted) > 5
    with running_server(root / "tracking") as server:
        door = Door(server, server.create_user("ann"))
        log = door.call("events.get_task_log", task=task, batch_size=100_000)
        door.close()
    said = [event["msg"] for event in reversed(log["events"])]
    assert len(said) >= known
    assert sorted(said) == sorted(f"line {number}" for number in range(len(said)))


def test_ledger_and_runs_in_postgresql_are_dumped_and_filled_again(
    state: State, tmp_path: Path
) -> None:
    try:
        with running_postgres() as postgres:
            first, second, third, fourth = map(
                postgres.create_database, ("first", "second", "third", "fourth")
            )
            with running_server(state.tracking, database_url=third) as server:
                keys = server.create_user("ann")
            ledger = Ledger.open(first)
            two_nodes(ledger)
            before = ledger.snapshot(NOW)
            ledger.close()
            backup, root = tmp_path / "backup", tmp_path / "restored"

            made = making.make(
                state.root,
                backup,
                NOW,
                urls={"ledger": first, "tracking": third},
                say=silent,
            )
            with pytest.raises(BackupError, match="set WAYLAB_LEDGER_URL to an empty"):
                restoring.restore(backup, root, urls={}, say=silent)
            with pytest.raises(BackupError, match=r"holds \d+ tables"):
                restoring.restore(
                    backup, root, urls={"ledger": first, "tracking": fourth}, say=silent
                )
            with pytest.raises(BackupError, match="set WAYLAB_TRACKING_DATABASE_URL"):
                restoring.restore(backup, root, urls={"ledger": second}, say=silent)
            assert not root.exists()
            urls = {"ledger": second, "tracking": fourth}
            restoring.restore(backup, root, urls=urls, say=silent)

            assert [one.path for one in made.of(Kind.POSTGRES)] == [
                "postgres/ledger.dump",
                "postgres/tracking.dump",
            ]
            with running_server(root / "tracking", database_url=fourth) as server:
                Door(server, keys).close()
            ledger = Ledger.open(second)
            assert ledger.snapshot(NOW) == before
            ledger.close()
    except NoPostgresError as error:
        pytest.skip(str(error))


def test_a_file_of_a_backup_is_linked_and_stays_when_its_user_replaces_it(
    state: State, tmp_path: Path
) -> None:
    with running_server(state.tracking) as server:
        door = Door(server, server.create_user("ann"))
        door.upload("mine/a.bin", b"first")
        stored = state.tracking / "files" / "mine" / "a.bin"
        linked, copied = tmp_path / "linked", tmp_path / "copied"

        making.make(state.root, linked, NOW, urls={}, say=silent)
        making.make(state.root, copied, NOW, urls={}, link=False, say=silent)

        def inode(folder: Path) -> int:
            return (folder / "tracking/files/mine/a.bin").stat().st_ino

        assert inode(linked) == stored.stat().st_ino != inode(copied)
        door.upload("mine/a.bin", b"second")
        door.close()
    assert stored.read_bytes() == b"second"
    root = tmp_path / "restored"
    restoring.restore(linked, root, urls={}, say=silent)
    again = root / "tracking/files/mine/a.bin"
    assert again.read_bytes() == b"first"
    assert again.stat().st_ino != inode(linked)


def test_without_secrets_a_restored_site_makes_them_anew(
    state: State, tmp_path: Path
) -> None:
    state.secret("proxy-token")

    def sign_in(server: Server, keys: tuple[str, str]) -> bool:
        door = Door(server, keys)
        door.close()
        return bool(door.token)

    with running_server(state.tracking) as server:
        keys = server.create_user("ann")
        making.make(
            state.root, tmp_path / "b", NOW, urls={}, with_secrets=False, say=silent
        )
    root = tmp_path / "restored"
    restoring.restore(tmp_path / "b", root, urls={}, say=silent)

    kept = {path.name for path in (root / "tracking").iterdir()}
    assert {"tracking.sqlite"} == kept - {"server.log"}
    assert not (root / "secrets").exists()
    with running_server(root / "tracking") as server:
        assert sign_in(server, keys)  # Users' keys are in the database, hashed.
