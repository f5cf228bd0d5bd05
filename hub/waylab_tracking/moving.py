"""From the state folder's database to one in PostgreSQL, once and wholly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from waylab_tracking import dialects
from waylab_tracking.database import Database, metadata, users
from waylab_tracking.settings import TrackingSettings

PIECE = 500


def refuse_left_behind(settings: TrackingSettings) -> None:
    """See that no start seems to have lost all runs.

    Raises:
        ValueError: they are in the state folder, and the database is empty.
    """
    left = settings.state / "tracking.sqlite"
    if settings.database == left or not left.exists():
        return
    target = Database(settings.database)
    try:
        if target.do(_is_filled):
            return
    finally:
        target.close()
    msg = (
        f"{left} is there and the database of WAYLAB_TRACKING_DATABASE_URL is empty: "
        "copy what is there with `python -m waylab_tracking --fill-database`, or move "
        "that file away"
    )
    raise ValueError(msg)


def fill(settings: TrackingSettings) -> str:
    """Copy all runs into an empty database, wholly or not at all; say what was done.

    Raises:
        ValueError: there is nothing to copy, or the database is not empty.
    """
    path = settings.state / "tracking.sqlite"
    if settings.database == path or not path.exists():
        msg = "both a tracking.sqlite there and WAYLAB_TRACKING_DATABASE_URL are needed"
        raise ValueError(msg)
    source, target = Database(path), Database(settings.database)
    try:
        count = target.do(lambda to: source.do(lambda db: _copy(db, to)))
    finally:
        source.close()
        target.close()
    return f"Copied {count} rows. {path} is not used any more: move it away."


def _is_filled(db: sa.Connection) -> bool:
    return db.execute(sa.select(users.c.id).limit(1)).first() is not None


def _copy(source: sa.Connection, target: sa.Connection) -> int:
    if _is_filled(target):
        msg = "the database of WAYLAB_TRACKING_DATABASE_URL is not empty: name another"
        raise ValueError(msg)
    count = 0
    for table in metadata.sorted_tables:
        # The server makes some of its own as it starts.
        target.execute(table.delete())
        for rows in _pieces(source, table):
            target.execute(table.insert(), rows)
            count += len(rows)
        dialects.number_on(target, table)
    return count


def _pieces(db: sa.Connection, table: sa.Table) -> Iterator[list[dict[str, Any]]]:
    statement = sa.select(table).execution_options(yield_per=PIECE)
    for rows in db.execute(statement).mappings().partitions():
        yield [{str(name): row[name] for name in row} for row in rows]
