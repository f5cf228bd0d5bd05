"""Databases of SQLite, copied as they are at one moment while others write."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from waylab_backup.errors import DamagedError, DatabaseError

BUSY_SECONDS = 30.0


def copy(source: Path, target: Path) -> None:
    """Copy a database into a file that has to be new.

    Who writes meanwhile is not held up where the database has a write-ahead log, and
    for the time of the copy otherwise.

    Raises:
        DatabaseError: it cannot be read, or is damaged.
    """
    try:
        with (
            closing(sqlite3.connect(_address(source), uri=True)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
            # All pages in one step, which is one transaction: in several steps each
            # write of another process would begin the copy anew.
            reading.backup(writing, pages=-1)
            # One file that is whole by itself; its server sets its own mode.
            writing.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        msg = (
            f"The database {source} cannot be copied: {error}. See that the disk has "
            "room; if the database is damaged, restore an older backup."
        )
        raise DatabaseError(msg) from error
    check(target)


def check(path: Path) -> None:
    """Have SQLite look through a database.

    Raises:
        DamagedError: something is wrong with it.
    """
    try:
        # Immutable: nothing is written beside it, whoever owns the folder.
        address = f"{_address(path, 'ro')}&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as db:
            found = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
    except sqlite3.Error as error:
        found = [str(error)]
    if found != ["ok"]:
        msg = f"The database {path} is damaged ({found[0]}): take another backup."
        raise DamagedError(msg)


def _address(path: Path, mode: str = "rw") -> str:
    return f"file:{quote(str(path))}?mode={mode}"
