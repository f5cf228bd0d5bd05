"""The ledger in SQLite or PostgreSQL: what was answered for survives a power cut."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event

from waylab_ledger import tables
from waylab_ledger.book import Book, Epoch, State
from waylab_ledger.errors import Conflict, LedgerError, StoreUnavailable
from waylab_ledger.rows import EPOCH, EVENT, LEASE, TICKET, load, moment, write
from waylab_ledger.values import Lease, Ticket
from waylab_ledger.views import Event, EventKind


class DatabaseStore:
    """Keeps the ledger in a database; transactions exclude each other.

    The open part is kept in memory between transactions, too, and read anew whenever
    the database's version is another.
    """

    def __init__(self, url: str, *, wait_seconds: float = 10.0) -> None:
        """Open the database and bring its schema up to date.

        Raises:
            StoreUnavailable: it cannot be opened.
        """
        self._engine = _engine(url, wait_seconds)
        self._cache: State | None = None
        self._lock = threading.RLock()
        try:
            self._migrate()
        except (sa.exc.OperationalError, sa.exc.DatabaseError) as error:
            msg = f"The ledger's database cannot be opened: {_said(error)}"
            raise StoreUnavailable(msg) from error

    @contextmanager
    def transaction(self, new_id: Callable[[], str]) -> Iterator[Book]:
        """Give a book; store its changes at the end."""
        with self._lock:
            cached, self._cache = self._cache, None
            try:
                with self._engine.begin() as connection:
                    state = self._current(connection, cached)
                    book = Book(state.copy(), _Rows(connection), new_id)
                    yield book
                    if book.changes:
                        book.state.version = book.version
                        write(connection, book)
                        state = book.state
            except LedgerError:
                self._cache = cached
                raise
            except sa.exc.IntegrityError as error:
                msg = f"The database forbids the change: {_said(error)}"
                raise Conflict(msg) from error
            except sa.exc.DBAPIError as error:
                msg = f"The ledger's database failed: {_said(error)}"
                raise StoreUnavailable(msg) from error
            self._cache = state

    @contextmanager
    def reading(self) -> Iterator[Book]:
        """Give a book of what is stored now."""
        with self._lock:
            try:
                with self._engine.begin() as connection:
                    version = connection.execute(_VERSION).scalar_one()
                    if self._cache is None or self._cache.version != version:
                        connection.execute(_LOCKED_VERSION)
                        self._cache = load(connection)
                    yield Book(self._cache, _Rows(connection), str)
            except sa.exc.DBAPIError as error:
                msg = f"The ledger's database failed: {_said(error)}"
                raise StoreUnavailable(msg) from error

    def events(self, after: int, limit: int) -> tuple[Event, ...]:
        """Give events in order."""
        query = (
            sa.select(tables.events.c.doc)
            .where(tables.events.c.number > after)
            .order_by(tables.events.c.number)
            .limit(limit)
        )
        return tuple(EVENT.validate_json(row.doc) for row in self._read(query))

    def holdings(
        self, since: datetime, until: datetime
    ) -> list[tuple[Event, datetime | None]]:
        """Give grants that overlap a span, each with the time of its release."""
        granted, released = tables.events.alias(), tables.events.alias()
        both = sa.and_(
            released.c.lease == granted.c.lease,
            released.c.kind == EventKind.LEASE_RELEASED.value,
        )
        query = (
            sa.select(granted.c.doc, released.c.at)
            .select_from(granted.outerjoin(released, both))
            .where(
                granted.c.kind == EventKind.LEASE_GRANTED.value,
                granted.c.at < until.timestamp(),
                sa.or_(released.c.at.is_(None), released.c.at > since.timestamp()),
            )
        )
        return [
            (EVENT.validate_json(row.doc), moment(row.at)) for row in self._read(query)
        ]

    def durations(self, limit: int) -> list[tuple[str, float]]:
        """Give holder kind and seconds of the leases that ended last."""
        leases = tables.leases.c
        query = (
            sa.select(leases.holder, leases.started_at, leases.released_at)
            .where(leases.released_at.is_not(None), leases.started_at.is_not(None))
            .order_by(leases.released_at.desc())
            .limit(limit)
        )
        return [
            (row.holder.split(":", 1)[0], row.released_at - row.started_at)
            for row in self._read(query)
        ]

    def audit(self, state: State) -> tuple[str, ...]:
        """Compare every open row with a state."""
        with self._lock, self._engine.begin() as connection:
            stored = load(connection)
        names = ("nodes", "leases", "tickets", "holds", "epochs")
        return tuple(
            f"stored {name} are not those in memory: {a} / {b}"
            for name in names
            if (a := getattr(stored, name)) != (b := getattr(state, name))
        )

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._engine.dispose()

    def _current(self, connection: sa.Connection, cached: State | None) -> State:
        version = connection.execute(_LOCKED_VERSION).scalar_one()
        return cached if cached and cached.version == version else load(connection)

    def _read(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        try:
            with self._lock, self._engine.begin() as connection:
                return list(connection.execute(query))
        except sa.exc.DBAPIError as error:
            msg = f"The ledger's database failed: {_said(error)}"
            raise StoreUnavailable(msg) from error

    def _migrate(self) -> None:
        # alembic costs 0.2 s of imports.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option(
            "script_location", str(Path(__file__).with_name("migrations"))
        )
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(87531)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


_VERSION = sa.select(tables.counters.c.version)
# Whoever has read this one has the ledger for itself until its transaction ends:
# SQLite by BEGIN IMMEDIATE, PostgreSQL by the row's lock.
_LOCKED_VERSION = _VERSION.with_for_update()


class _Rows:
    """Looks closed things up within a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lease(self, id_: str) -> Lease | None:
        doc = self._doc(_LEASE_BY_ID, id_)
        return LEASE.validate_json(doc) if doc else None

    def ticket(self, id_: str) -> Ticket | None:
        doc = self._doc(_TICKET_BY_ID, id_)
        return TICKET.validate_json(doc) if doc else None

    def last_ticket(self, holder: str) -> Ticket | None:
        doc = self._doc(_LAST_TICKET, holder)
        return TICKET.validate_json(doc) if doc else None

    def answered(self, key: str) -> str | None:
        return self._doc(_ANSWER, key)

    def epoch(self, id_: str) -> Epoch | None:
        doc = self._doc(_EPOCH_BY_ID, id_)
        return EPOCH.validate_json(doc) if doc else None

    def _doc(self, query: sa.Select[tuple[str]], key: str) -> str | None:
        found = self._connection.execute(query, {"key": key}).scalar_one_or_none()
        return None if found is None else str(found)


_KEY: sa.BindParameter[str] = sa.bindparam("key")
_LEASE_BY_ID = sa.select(tables.leases.c.doc).where(tables.leases.c.id == _KEY)
_TICKET_BY_ID = sa.select(tables.tickets.c.doc).where(tables.tickets.c.id == _KEY)
_LAST_TICKET = (
    sa.select(tables.tickets.c.doc)
    .where(tables.tickets.c.holder == _KEY)
    .order_by(tables.tickets.c.serial.desc())
    .limit(1)
)
_ANSWER = sa.select(tables.keys.c.answer).where(tables.keys.c.key == _KEY)
_EPOCH_BY_ID = sa.select(tables.epochs.c.doc).where(tables.epochs.c.id == _KEY)


def _engine(url: str, wait_seconds: float) -> sa.Engine:
    if url.startswith("sqlite"):
        engine = sa.create_engine(
            url,
            poolclass=sa.pool.StaticPool,
            connect_args={"check_same_thread": False, "timeout": wait_seconds},
        )
        sa_event.listen(engine, "connect", _prepare_sqlite)
        sa_event.listen(engine, "begin", _begin_immediate)
        return engine
    milliseconds = int(wait_seconds * 1000)
    options = f"-c lock_timeout={milliseconds} -c timezone=UTC"
    return sa.create_engine(
        url,
        pool_size=1,
        pool_pre_ping=True,
        connect_args={"options": options, "connect_timeout": int(wait_seconds) or 1},
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # Or sqlite3 begins transactions by itself.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _said(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig else str(error)
