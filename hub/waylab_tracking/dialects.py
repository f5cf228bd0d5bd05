"""Where SQLite and PostgreSQL differ: all of it is here."""

from __future__ import annotations

import json
import math
import sqlite3
from enum import Enum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

# Sorted by code points everywhere, as SQLite does of itself.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
# What SQLite numbers by itself must be called INTEGER.
KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
# Held by the server that uses a database, as long as its connection lasts.
LOCK = 87_532
LOCK_MILLISECONDS = 5_000
PRIMARY = 0xFF
SQLITE_DISK = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# The classes and codes of SQLSTATE.
POSTGRES_DISK = ("53100", "58030")
POSTGRES_BUSY = ("08", "40", "53", "55", "57")
POSTGRES_LIMIT = ("54",)
REPLACEMENT = "\ufffd"
# Of the numbers that integers are compared with.
LARGEST = float(1 << 62)


class Trouble(Enum):
    """Why a database did not do its work."""

    DISK = "disk"
    BUSY = "busy"
    """It is away, or somebody else is at it: over in a moment."""
    LIMIT = "limit"
    """Something is too long for it."""
    OTHER = "other"


def open_engine(place: Path | str) -> sa.Engine:
    """Give what connects to a file of SQLite, or to the database of a URL.

    Either way with one connection, which one thread uses.

    Raises:
        ValueError: it is no URL, or its library is not there.
    """
    if isinstance(place, Path):
        return _sqlite(place)
    engine = _of_url(place, 1)
    event.listen(engine, "connect", _take)
    return engine


def open_readers(place: Path | str, count: int) -> sa.Engine:
    """Give what makes so many connections beside that of `open_engine`.

    They can change nothing, and see in one transaction the database of one moment.

    Raises:
        ValueError: as `open_engine`.
    """
    if isinstance(place, Path):
        engine = sa.create_engine(
            f"sqlite:///{place}",
            pool_size=count,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_reader)
        event.listen(engine, "begin", _begin)
        return engine
    return _of_url(place, count).execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )


def settle(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Do what migrations leave to the kind of database."""
    if connection.dialect.name != "postgresql":
        return
    quote = connection.dialect.identifier_preparer.quote
    for table, column in connection.execute(_OF_ITS_LANGUAGE).all():
        if table in metadata.tables:
            connection.exec_driver_sql(
                f"ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)}"
                ' TYPE VARCHAR COLLATE "C"'
            )


def number_on(connection: sa.Connection, table: sa.Table) -> None:
    """Have a table's next row numbered after those that were copied into it."""
    column = table.autoincrement_column
    if connection.dialect.name != "postgresql" or column is None:
        return
    named = sa.func.pg_get_serial_sequence(table.name, column.name)
    last = sa.select(sa.func.max(column)).scalar_subquery()
    connection.execute(sa.select(sa.func.setval(named, last)))


def below(column: sa.ColumnElement[int], number: float) -> sa.ColumnElement[bool]:
    """Tell which integers are less than any number, which PostgreSQL would round."""
    return column < math.ceil(_within(number))


def above(column: sa.ColumnElement[int], number: float) -> sa.ColumnElement[bool]:
    """Tell which integers are more than any number."""
    return column > math.floor(_within(number))


def _within(number: float) -> float:
    return max(-LARGEST, min(number, LARGEST))


def trouble(error: sa.exc.DBAPIError) -> Trouble:
    """Say why a statement failed."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        if code & PRIMARY in SQLITE_DISK:
            return Trouble.DISK
        return Trouble.BUSY if code & PRIMARY in SQLITE_BUSY else Trouble.OTHER
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        gone = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
        of_postgres = hasattr(error.orig, "sqlstate")
        return Trouble.BUSY if gone and of_postgres else Trouble.OTHER
    for codes, kind in (
        (POSTGRES_DISK, Trouble.DISK),
        (POSTGRES_BUSY, Trouble.BUSY),
        (POSTGRES_LIMIT, Trouble.LIMIT),
    ):
        if str(state).startswith(codes):
            return kind
    return Trouble.OTHER


def _sqlite(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_reader(connection: Any, record: object) -> None:
    _prepare(connection, record)
    # The driver begins nothing of itself before a SELECT: `_begin` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _of_url(url: str, count: int) -> sa.Engine:
    try:
        return _postgres(url, count)
    except (sa.exc.ArgumentError, ImportError) as error:
        # Not the URL: it may have a password.
        msg = f"{error} (PostgreSQL needs waylab[postgres])"
        raise ValueError(msg) from None


def _postgres(url: str, count: int) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=count,
        max_overflow=0,
        # A database that was started anew is no trouble of whoever asks next.
        pool_pre_ping=True,
        json_serializer=_json,
        connect_args={
            "application_name": "waylab tracking",
            "options": f"-c timezone=UTC -c lock_timeout={LOCK_MILLISECONDS}",
            "connect_timeout": 10,
            # Who is gone without a word is noticed in half a minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    )
    event.listen(engine, "before_cursor_execute", _without_nul, retval=True)
    return engine


def _take(connection: Any, _record: object) -> None:
    """Keep others out: what a connection remembers is of nobody else's writing."""
    from psycopg import errors  # noqa: PLC0415 - only where it is used.

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.commit()
    except errors.Error as error:
        connection.close()
        if isinstance(error, errors.LockNotAvailable):
            msg = "another server uses the database"
            raise errors.LockNotAvailable(msg) from error
        raise


def _without_nul(
    _connection: object,
    _cursor: object,
    statement: str,
    parameters: Any,
    _context: object,
    executemany: bool,
) -> tuple[str, Any]:
    """Replace what no text of PostgreSQL can have."""
    rows = parameters if executemany else [parameters]
    if any("\0" in one for row in rows for one in _texts(row)):
        rows = [_storable(row) for row in rows]
        return statement, rows if executemany else rows[0]
    return statement, parameters


def _texts(row: Any) -> list[str]:
    values = row.values() if isinstance(row, dict) else row or ()
    return [one for one in values if isinstance(one, str)]


def _json(value: object) -> str:
    """Write a document without what PostgreSQL does not read in one."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = ""
    if text and "\\u0000" not in text:
        return text
    return json.dumps(_storable(value), allow_nan=False)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", REPLACEMENT)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_storable(name): _storable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(one) for one in value]
    return value


_OF_ITS_LANGUAGE = sa.text(
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema()"
    " AND data_type = 'character varying' AND collation_name IS NULL"
)
