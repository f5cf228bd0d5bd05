"""What an answer says when the database could not do its work."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa

PRIMARY = 0xFF
DISK = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def told(error: sa.exc.DBAPIError) -> tuple[int, str]:
    """Give the HTTP status and the sentence for a fault of the database.

    507 is for a disk that refuses, 503 for what is over in a moment (the official
    clients then try again), 500 for all else.
    """
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None and code & PRIMARY in DISK:
        return 507, "The server's disk refuses to write"
    if code is not None and code & PRIMARY in BUSY:
        return 503, "The server's database is busy: try again"
    return 500, "The server's database failed: its log has the details"
