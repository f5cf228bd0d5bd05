"""The runs in PostgreSQL: what only concerns that; see also `ON_POSTGRES`."""

from __future__ import annotations

import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tests.waylab_ledger.postgres import Server as Postgres
from tests.waylab_tracking.door import Door

from waylab_tracking import dialects, faults
from waylab_tracking.database import Database, metadata
from waylab_tracking.testing import running_server

PASSWORD = "a-password"  # noqa: S105 - made up here.


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    """Give an empty database."""
    name = f"t{secrets.token_hex(6)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


def run(state: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start the program where it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "waylab_tracking", *arguments],
        env={
            "WAYLAB_TRACKING_STATE": str(state),
            "WAYLAB_TRACKING_DATABASE_URL": url,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def eventually(call: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not call():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def say(door: Door, task: str, text: str) -> None:
    door.call("events.add", type="log", task=task, msg=text, timestamp=1)


def point(door: Door, task: str, number: int) -> None:
    event = {"type": "training_stats_scalar", "task": task, "metric": "m"}
    door.call("events.add", **event, variant="v", iter=number, value=number / 2)


def lines(door: Door, task: str) -> list[str]:
    log = door.call("events.get_task_log", task=task, order="asc")["events"]
    return [one["msg"] for one in log]


def test_the_tables_are_those_of_the_code_and_sort_by_code_points(url: str) -> None:
    for _ in range(2):  # Also where all is there already.
        Database(url).close()

    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
        collations = connection.execute(
            sa.text(
                "SELECT DISTINCT collation_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name != 'alembic_version'"
                " AND data_type = 'character varying'"
            )
        ).scalars()
        assert list(collations) == ["C"]
    engine.dispose()
    assert found == []


def test_what_no_text_of_postgresql_can_have_is_replaced(
    url: str, tmp_path: Path
) -> None:
    with running_server(tmp_path, database_url=url) as server:
        door = Door(server, server.create_user("ann"))
        task = door.task("a task", comment="no\0thing and \\u0000")
        section = {"name": "a", "value": "x\0y", "section": "Args"}
        door.call("tasks.edit_hyper_params", task=task, hyperparams=[section])
        door.call("tasks.started", task=task)
        model = door.call("models.create", name="a model", uri="u", task=task)["id"]
        for _ in range(2):  # Whose it is, is read out of the document.
            door.call("models.edit", model=model, comment="its \0 own")
        say(door, task, "a\0line")
        door.call(
            "events.add", type="plot", task=task, metric="p\0", iter=1, plot_str="{\0}"
        )
        doc = door.call("tasks.get_by_id", task=task)["task"]
        [plot] = door.call("events.get_task_plots", task=task)["plots"]
        refused = door.post("tasks.create", name="a\0b", type="training").status_code
        # By an index: longer than a row of it.
        metric = "".join(secrets.token_hex(8) for _ in range(400))
        long = door.post("events.add", type="plot", task=task, metric=metric)
        said = lines(door, task)
        door.close()

    assert doc["comment"] == "no\ufffdthing and \\u0000"
    assert doc["hyperparams"]["Args"]["a"]["value"] == "x\ufffdy"
    assert said == ["a\0line"]  # Packed, as it came.
    assert plot["plot_str"] == "{\ufffd}"
    assert refused == 400
    assert long.status_code == 400


def test_numbers_that_are_none_are_kept_as_nothing(url: str) -> None:
    database = Database(url)

    def work(db: sa.Connection) -> Any:
        doc = {"a": float("nan"), "b": [float("inf"), 1.5], "c": "NaN"}
        table = metadata.tables["workers"]
        db.execute(table.insert().values(id="w", last_seen=1.0, doc=doc))
        return db.execute(sa.select(table.c.doc)).scalar_one()

    assert database.do(work) == {"a": None, "b": [None, 1.5], "c": "NaN"}
    database.close()


def test_a_second_server_is_kept_out(url: str, tmp_path: Path) -> None:
    with running_server(tmp_path / "a", database_url=url) as server:
        server.create_user("ann")

        done = run(tmp_path / "b", url)

        assert done.returncode == 2
        assert "another server uses the database" in done.stderr
        assert "Traceback" not in done.stderr
        server.restart()  # Killed, it leaves nothing behind.
        server.create_user("bob")


def test_a_connection_that_is_lost_is_made_anew_and_nothing_is_forgotten(
    postgres: Postgres, url: str, tmp_path: Path
) -> None:
    with running_server(tmp_path, database_url=url) as server:
        door = Door(server, server.create_user("ann"))
        task = door.task()
        for number in range(3):
            say(door, task, str(number))
            point(door, task, number)

        plain = url.replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid != pg_backend_pid()"
            )
        seen = []

        def again() -> bool:
            seen.append(door.post("tasks.get_by_id", task=task).status_code)
            return seen[-1] == 200

        eventually(again)
        say(door, task, "after")
        point(door, task, 3)
        said, curve = (
            lines(door, task),
            door.call("events.scalar_metrics_iter_histogram", task=task),
        )
        door.close()

    assert set(seen) <= {200, 503}
    assert said == ["0", "1", "2", "after"]
    assert curve["m"]["v"]["y"] == [0, 0.5, 1, 1.5]


def test_what_was_in_a_file_is_copied_wholly_and_goes_on(
    url: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with running_server(state) as server:
        keys = server.create_user("ann")
        door = Door(server, keys)
        task = door.task("a task", tags=["kept"])
        for number in range(20):
            say(door, task, str(number))
            point(door, task, number)
        door.upload("a/file.bin", b"content")
        before = everything(door, task)
        door.close()

    left = run(state, url)
    first, again = (
        run(state, url, "--fill-database"),
        run(state, url, "--fill-database"),
    )

    assert left.returncode == 2
    assert "--fill-database" in left.stderr
    assert first.returncode == 0
    assert first.stdout.startswith("Copied ")
    assert again.returncode == 2
    assert "not empty" in again.stderr
    with running_server(state, database_url=url) as server:
        door = Door(server, keys)
        after = everything(door, task)
        say(door, task, "more")
        point(door, task, 20)
        assert lines(door, task)[-2:] == ["19", "more"]
        door.close()
    assert after == before
    with closing(sqlite3.connect(state / "tracking.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (1,)


def everything(door: Door, task: str) -> dict[str, Any]:
    body = {"tags": ["kept"], "order_by": ["-last_update"]}
    return {
        "task": door.call("tasks.get_by_id", task=task),
        "list": door.call("tasks.get_all", **body),
        "log": lines(door, task),
        "curves": door.call("events.scalar_metrics_iter_histogram", task=task),
        "queues": door.call("queues.get_all"),
        "file": door.get("/files/a/file.bin").content,
    }


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"mysql://u:{PASSWORD}@db/runs", "DATABASE_URL"),
        (f"postgresql+psycopg://u:{PASSWORD}@127.0.0.1:port/runs", "cannot be used"),
        (f"postgresql+psycopg://u:{PASSWORD}@127.0.0.1:1/runs", "refused"),
    ],
)
def test_a_database_that_is_none_or_away_is_told_without_the_password(
    tmp_path: Path, url: str, told: str
) -> None:
    done = run(tmp_path, url)

    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr + done.stdout


def test_a_fault_of_postgresql_is_told_for_what_it_is(url: str) -> None:
    engine = dialects.open_engine(url)

    def fault(statement: str) -> int:
        with (
            pytest.raises(sa.exc.DBAPIError) as caught,
            engine.connect() as connection,
        ):
            connection.exec_driver_sql(statement)
        return faults.told(caught.value)[0]

    raised = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{}'; END $$"
    codes = ("53100", "53300", "57P03", "40001", "54000", "22003")
    found = {code: fault(raised.format(code)) for code in codes}
    gone = fault("SELECT pg_terminate_backend(pg_backend_pid())")
    engine.dispose()

    assert found == {
        "53100": 507,
        "53300": 503,
        "57P03": 503,
        "40001": 503,
        "54000": 400,
        "22003": 500,
    }
    assert gone == 503
