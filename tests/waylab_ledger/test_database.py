"""What the databases promise beyond the rules."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tests.waylab_ledger.site import NOON, Site, lab, two_nodes

from waylab_ledger import tables
from waylab_ledger.errors import Conflict, StoreUnavailable
from waylab_ledger.ledger import Ledger
from waylab_ledger.values import Lease, LeaseState, Selector, Ticket

Open = Callable[[str], Ledger]


def test_everything_is_there_after_a_restart(
    database_url: str, open_ledger: Open
) -> None:
    ledger = open_ledger(database_url)
    site = two_nodes(ledger)
    lease = site.run(lab("ann", limit_seconds=60))
    site.wait(lab("bob", Selector(nodes=("vision",), count=2)))
    before = ledger.snapshot(site.now), ledger.events(0, 1000)
    ledger.close()
    again = open_ledger(database_url)
    assert (again.snapshot(site.now), again.events(0, 1000)) == before
    assert again.lease(lease.id) == lease
    assert again.check() == ()


def test_two_programs_see_each_others_changes(
    database_url: str, open_ledger: Open
) -> None:
    one, other = open_ledger(database_url), open_ledger(database_url)
    site = two_nodes(one)
    lease = site.run(lab("ann"))
    assert other.lease(lease.id) == lease
    other.release(lease.id, site.gone(lease), site.now)
    assert site.state(lease) is LeaseState.RELEASED
    assert one.check() == other.check() == ()


def test_two_programs_never_grant_the_same_device(
    database_url: str, open_ledger: Open
) -> None:
    ledgers = [open_ledger(database_url) for _ in range(2)]
    site = two_nodes(ledgers[0])
    answers: list[Lease | Ticket] = []
    failures: list[Exception] = []

    def ask(name: str, ledger: Ledger) -> None:
        try:
            answers.extend(
                ledger.submit(lab(f"{name}{n}"), site.now, site.hub) for n in range(6)
            )
        except Exception as error:
            failures.append(error)

    threads = [
        threading.Thread(target=ask, args=(f"u{number}", ledgers[number % 2]))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    granted = [one for one in answers if isinstance(one, Lease)]
    devices = [device for one in granted for device in one.devices]
    assert len(devices) == len(set(devices)) == 6
    assert len(answers) == 24
    assert ledgers[0].check() == ()


def engine_of(url: str) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.pool.NullPool)


def test_the_database_itself_refuses_a_second_holder(
    database_url: str, open_ledger: Open
) -> None:
    site = two_nodes(open_ledger(database_url))
    site.run(lab("ann"))
    with engine_of(database_url).connect() as connection:
        row = connection.execute(sa.select(tables.leases)).one()
        other = {**row._mapping, "id": "other", "holder": "lab:eve/"}
        connection.execute(tables.leases.insert(), other)
        hold = {"device": "GPU-vision-0", "lease": "other"}
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(tables.holds.insert(), hold)


def test_a_hold_that_was_made_behind_its_back_stops_a_grant(
    database_url: str, open_ledger: Open
) -> None:
    site = two_nodes(open_ledger(database_url))
    first = site.run(lab("ann"))
    with engine_of(database_url).begin() as connection:
        hold = {"device": "GPU-vision-1", "lease": first.id}
        connection.execute(tables.holds.insert(), hold)
    before = site.ledger.events(0, 1000)
    with pytest.raises(Conflict, match="database forbids"):
        site.ledger.submit(lab("bob"), site.now, site.hub)
    assert site.ledger.events(0, 1000) == before
    assert site.ledger.check() != ()


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("leases", {"id": "other"}),
        ("leases", {"id": "o", "holder": "lab:eve/", "state": "released"}),
        ("leases", {"id": "o", "holder": "lab:eve/", "proof": "exited"}),
        ("tickets", {"id": "other"}),
        ("epochs", {"id": "other"}),
        ("keys", {}),
    ],
    ids=["holder", "no proof", "early proof", "ticket", "role", "key"],
)
def test_the_database_refuses_what_the_rules_forbid(
    database_url: str, open_ledger: Open, table: str, changes: dict[str, str]
) -> None:
    site = two_nodes(open_ledger(database_url))
    site.run(lab("ann"))
    site.wait(lab("bob", Selector(nodes=("vision",), count=2)))
    target = tables.metadata.tables[table]
    open_ones = sa.select(target)
    if "state" in target.c:
        open_ones = open_ones.where(target.c.state.in_(("active", "waiting")))
    with engine_of(database_url).connect() as connection:
        row = connection.execute(open_ones).first()
        assert row is not None
        values = {**row._mapping, **changes}
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(target.insert(), values)


def test_a_hold_of_no_lease_is_refused(database_url: str, open_ledger: Open) -> None:
    open_ledger(database_url)
    with engine_of(database_url).connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        hold = {"device": "GPU-x", "lease": "nothing"}
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(tables.holds.insert(), hold)


def test_a_refused_change_leaves_nothing_behind(
    database_url: str, open_ledger: Open
) -> None:
    site = two_nodes(open_ledger(database_url))
    site.ask(lab("ann"))
    shot, events = site.ledger.snapshot(site.now), site.ledger.events(0, 1000)
    with pytest.raises(Conflict):
        site.ledger.submit(lab("ann"), site.now, site.hub)
    assert site.ledger.snapshot(site.now) == shot
    assert site.ledger.events(0, 1000) == events


def test_the_migrations_make_what_the_code_expects(
    database_url: str, open_ledger: Open
) -> None:
    open_ledger(database_url).close()
    with engine_of(database_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        inspector = sa.inspect(connection)
        for name in ("leases", "tickets", "epochs"):
            unique = [one for one in inspector.get_indexes(name) if one["unique"]]
            options = [one.get("dialect_options", {}) for one in unique]
            wheres = [one for option in options for one in option if "where" in one]
            assert len(wheres) == 1, name


def test_opening_twice_at_once_makes_one_schema(database_url: str) -> None:
    opened: list[Ledger] = []
    threads = [
        threading.Thread(target=lambda: opened.append(Ledger.open(database_url)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 2
    for ledger in opened:
        ledger.close()


def test_sqlite_writes_through_to_the_disk(
    sqlite_url: str, open_ledger: Open, tmp_path: Path
) -> None:
    ledger = open_ledger(sqlite_url)
    two_nodes(ledger)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        Ledger.open(f"sqlite:///{tmp_path}/missing/ledger.db")
    (tmp_path / "text").write_text("This is no database. " * 100, "utf-8")
    with pytest.raises(StoreUnavailable, match="not a database"):
        Ledger.open(f"sqlite:///{tmp_path}/text")


def test_a_postgres_that_restarts_is_used_again(
    postgres_url: str, open_ledger: Open
) -> None:
    ledger = open_ledger(postgres_url)
    site: Site = two_nodes(ledger)
    with engine_of(postgres_url).connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    assert site.ask(lab("ann")).state is LeaseState.GRANTED
    assert ledger.check() == ()
    assert site.now == NOON
