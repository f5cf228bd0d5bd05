"""Starting, stopping and upgrading."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from tests.waylab_tracking.door import Door

import waylab_tracking
from waylab_tracking.database import Database, metadata
from waylab_tracking.testing import running_server

MIGRATIONS = Path(waylab_tracking.__file__).with_name("migrations")


def start(state: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start a server that cannot start, and give what it says."""
    environment = {**os.environ, "WAYLAB_TRACKING_STATE": str(state), **settings}
    return subprocess.run(
        [sys.executable, "-m", "waylab_tracking"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


OLD_TASK: dict[str, Any] = {
    "id": "t1",
    "name": "an old task",
    "user": "u1",
    "project": None,
    "status": "completed",
    "type": "training",
    "created": "2026-01-01T00:00:00+00:00",
    "execution": {"queue": "q1", "artifacts": []},
    "tags": ["old"],
    "system_tags": [],
}


def at_revision(path: Path, revision: str) -> None:
    """Make a database as an earlier version left it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_a_terminated_server_ends_well_and_keeps_everything(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        keys = server.create_user("ann")
        door = Door(server, keys)
        task = door.task("kept")
        server.stop(signal.SIGTERM)
        server.start()
        again = Door(server, keys)
        name = again.call("tasks.get_by_id", task=task)["task"]["name"]
        old_token = door.call("users.get_current_user")["user"]["name"]
        door.close()
        again.close()

    assert (name, old_token) == ("kept", "ann")
    assert "Traceback" not in server.log.read_text("utf-8")


def test_the_keys_of_the_system_may_be_given(tmp_path: Path) -> None:
    given = tmp_path / "keys.json"
    given.write_text(json.dumps({"access_key": "SYS", "secret_key": "s" * 40}))
    with running_server(tmp_path / "state", system_key_file=str(given)) as server:
        door = Door(server, ("SYS", "s" * 40))
        me = door.call("users.get_current_user")["user"]["name"]
        door.close()

    assert me == "system"


def test_a_state_of_the_first_version_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "tracking.sqlite"
    at_revision(path, "0001")
    doc = OLD_TASK
    with sqlite3.connect(path) as old:
        old.execute(
            "insert into users values (?, ?, ?, ?)", ("u1", "ann", "user", "2026")
        )
        old.execute(
            "insert into tasks (id, project, user, status, created, doc)"
            " values (?, ?, ?, ?, ?, ?)",
            ("t1", "", "u1", "completed", doc["created"], json.dumps(doc)),
        )
    old.close()

    with running_server(tmp_path) as server:
        door = Door(server, server.create_user("ann"))
        found = door.call("tasks.get_all", tags=["old"])["tasks"]
        listed = door.call("tasks.get_all", tags=["old"], only_fields=["name"])["tasks"]
        me = door.call("users.get_current_user")["user"]["id"]
        door.close()

    assert found == [{**doc, "last_metrics": {}}]
    assert listed == [{"id": "t1", "name": "an old task"}]
    assert me == "u1"


def test_tasks_that_wait_already_have_waited_since_they_came(tmp_path: Path) -> None:
    path = tmp_path / "tracking.sqlite"
    at_revision(path, "0004")
    with closing(sqlite3.connect(path)) as old, old:
        for task, added in (("a", "1970-01-01T00:01:00+00:00"), ("b", "1970-01-02")):
            row = (task, "q", 1, added)
            old.execute(
                "insert into queue_entries (task, queue, place, added)"
                " values (?, ?, ?, ?)",
                row,
            )

    at_revision(path, "head")

    with closing(sqlite3.connect(path)) as new:
        rows = new.execute("select task, since from queue_entries order by task")
        assert rows.fetchall() == [("a", 60.0), ("b", 86_400.0)]


def test_rows_of_earlier_versions_become_chunks(tmp_path: Path) -> None:
    path = tmp_path / "tracking.sqlite"
    at_revision(path, "0003")
    count = 5000
    with sqlite3.connect(path) as old:
        old.execute(
            "insert into users (id, name, role, created) values (?, ?, ?, ?)",
            ("u1", "ann", "user", "2026"),
        )
        doc = json.dumps(OLD_TASK)
        old.execute(
            "insert into tasks (id, project, user, status, created, head, doc)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            ("t1", "", "u1", "completed", OLD_TASK["created"], doc, doc),
        )
        # The newest first, and another curve's points between them.
        old.executemany(
            "insert into scalars (task, metric, variant, iter, timestamp, value)"
            " values ('t1', 'loss', ?, ?, ?, ?)",
            [
                (variant, number, 1000 + number, number / 2)
                for number in reversed(range(count))
                for variant in ("train", "test")
            ],
        )
        old.execute(
            "insert into scalars (task, metric, variant, iter, timestamp, value)"
            " values ('t1', 'Summary', 'r2', ?, 1, 0.5)",
            (-(1 << 31),),
        )
        old.executemany(
            "insert into logs (task, timestamp, worker, level, msg)"
            " values ('t1', ?, 'w', 'info', ?)",
            [(number // 3, str(number)) for number in range(count)],
        )
    old.close()

    with running_server(tmp_path) as server:
        door = Door(server, server.create_user("ann"))
        curve = door.call("events.scalar_metrics_iter_histogram", task="t1")
        [single] = door.call("events.get_task_single_value_metrics", tasks=["t1"])[
            "tasks"
        ]
        log = door.call(
            "events.get_task_log", task="t1", order="asc", batch_size=10_000
        )
        task = door.call("tasks.get_by_id", task="t1")["task"]
        door.call("events.add", type="log", task="t1", msg="after", timestamp=count)
        [last] = door.call("events.get_task_log", task="t1", batch_size=1)["events"]
        door.close()

    assert curve["loss"]["train"]["x"] == list(range(count))
    assert curve["loss"]["test"]["y"] == [number / 2 for number in range(count)]
    assert [one["value"] for one in single["values"]] == [0.5]
    assert [one["msg"] for one in log["events"]] == [str(n) for n in range(count)]
    assert log["total"] == count
    assert last["msg"] == "after"
    values = {
        (one["variant"], one["value"], one["max_value"], one["count"])
        for group in task["last_metrics"].values()
        for one in group.values()
    }
    assert values == {
        ("train", 0.0, 2499.5, count),
        ("test", 0.0, 2499.5, count),
        ("r2", 0.5, 0.5, 1),
    }


def test_migrations_lead_to_the_tables_that_the_code_has(tmp_path: Path) -> None:
    database = Database(tmp_path / "tracking.sqlite")
    database.close()

    engine = create_engine(f"sqlite:///{tmp_path / 'tracking.sqlite'}")
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()

    assert found == []


def test_a_running_task_of_which_nothing_is_heard_is_stopped(tmp_path: Path) -> None:
    with running_server(tmp_path, silence_seconds="1.5") as server:
        door = Door(server, server.create_user("ann"))
        silent, alive = door.task("silent"), door.task("alive")
        for task in (silent, alive):
            door.call("tasks.started", task=task)

        def status(task: str) -> str:
            return str(door.call("tasks.get_by_id", task=task)["task"]["status"])

        deadline = time.monotonic() + 20
        while status(silent) == "in_progress" and time.monotonic() < deadline:
            door.call("tasks.ping", task=alive)
            time.sleep(0.1)
        found = (status(silent), status(alive))
        door.close()

    assert found == ("stopped", "in_progress")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAYLAB_TRACKING_PORT", "seven"),
        ("WAYLAB_TRACKING_PORT", "70000"),
        ("WAYLAB_TRACKING_STATE", "/dev/null/state"),
        ("WAYLAB_TRACKING_SYSTEM_KEY_FILE", "/dev/null/keys.json"),
    ],
)
def test_settings_that_cannot_work_get_one_sentence(
    tmp_path: Path, name: str, value: str
) -> None:
    done = start(tmp_path, **{name: value})

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert value in done.stderr or name in done.stderr


def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "tracking.sqlite"
    path.write_text("precious notes, not a database\n" * 100)

    done = start(tmp_path)

    assert done.returncode == 2
    assert "not a database" in done.stderr
    assert path.read_text().startswith("precious notes")


def test_a_folder_for_others_is_not_readable_by_them(tmp_path: Path) -> None:
    with running_server(tmp_path / "state") as server:
        server.create_user("ann")
        modes = {
            path.name: oct(path.stat().st_mode & 0o077)
            for path in (tmp_path / "state").iterdir()
            if "sqlite" in path.name or path.name == "incoming"
        }

    assert modes == dict.fromkeys(modes, "0o0")
    assert "tracking.sqlite" in modes
