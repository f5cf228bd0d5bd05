"""What only reads is answered beside what is written."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.waylab_ledger.postgres import Server as Postgres

from waylab_tracking import reading, services
from waylab_tracking.callers import LOOKING
from waylab_tracking.database import Database, workers
from waylab_tracking.registry import ENDPOINTS

assert services.__all__  # Every endpoint is registered.


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    place: Path | str = tmp_path / "tracking.sqlite"
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        place = postgres.create_database(f"t{secrets.token_hex(6)}")
    opened = Database(place)
    yield opened
    opened.close()


def write(db: sa.Connection, name: str) -> None:
    db.execute(workers.insert().values(id=name, last_seen=1.0, doc={}))


def names(db: sa.Connection) -> list[str]:
    return sorted(db.execute(sa.select(workers.c.id)).scalars())


def test_a_reader_waits_for_no_writer_and_sees_what_was_answered_for(
    database: Database,
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slowly(db: sa.Connection) -> None:
        write(db, "second")
        begun.set()
        go.wait(30)

    async def work() -> tuple[list[str], list[str]]:
        await database.run(lambda db: write(db, "first"))
        writing = asyncio.create_task(database.run(slowly))
        await asyncio.to_thread(begun.wait, 30)
        meanwhile = await database.read(names)
        go.set()
        await writing
        return meanwhile, await database.read(names)

    assert asyncio.run(work()) == (["first"], ["first", "second"])


def test_one_reading_is_of_one_moment(database: Database) -> None:
    looked, written = threading.Event(), threading.Event()

    def twice(db: sa.Connection) -> tuple[list[str], list[str]]:
        before = names(db)
        looked.set()
        written.wait(30)
        return before, names(db)

    async def work() -> tuple[list[str], list[str]]:
        reads = asyncio.create_task(database.read(twice))
        await asyncio.to_thread(looked.wait, 30)
        await database.run(lambda db: write(db, "first"))
        written.set()
        return await reads

    assert asyncio.run(work()) == ([], [])


def test_a_reader_can_change_nothing(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=r"read-?only"):
        asyncio.run(database.read(lambda db: write(db, "first")))

    assert asyncio.run(database.read(names)) == []


def test_pages_ask_only_what_reads_and_what_takes_a_task_does_not() -> None:
    reads = {name for name in ENDPOINTS if reading.only_reads(name)}

    assert reads >= LOOKING
    assert reads >= reading.OTHERS
    assert "queues.get_next_task" in ENDPOINTS.keys() - reads
