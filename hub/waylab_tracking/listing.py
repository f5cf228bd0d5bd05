"""What lists filter and order tasks by, beside the documents: short rows and tags.

Rows say what heads say: who writes a head writes its row in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from waylab_tracking.database import labels, listed

COPIED = (
    *("id", "project", "user", "status", "type", "parent", "created", "started"),
    *("completed", "status_changed", "last_update", "last_iteration"),
)
TAGS = {"tags": False, "system_tags": True}


def add(db: sa.Connection, head: Mapping[str, Any]) -> None:
    """Keep the row and the tags of a new task."""
    db.execute(listed.insert().values(_row(head)))
    _add_tags(db, head["id"], _tags(head))


def write(db: sa.Connection, head: Mapping[str, Any]) -> None:
    """Keep what has changed of a task's row and tags."""
    task = head["id"]
    db.execute(listed.update().where(listed.c.id == task).values(_row(head)))
    wanted = _tags(head)
    kept = sa.select(labels.c.tag, labels.c.system).where(labels.c.task == task)
    if {(row.tag, row.system) for row in db.execute(kept)} != wanted:
        db.execute(labels.delete().where(labels.c.task == task))
        _add_tags(db, task, wanted)


def hear(db: sa.Connection, head: Mapping[str, Any]) -> None:
    """Keep when a task was heard of last, and how far it is."""
    fresh = {name: head.get(name) for name in ("last_update", "last_iteration")}
    db.execute(listed.update().where(listed.c.id == head["id"]).values(fresh))


def remove(db: sa.Connection, task: str) -> None:
    """Forget a task."""
    db.execute(listed.delete().where(listed.c.id == task))
    db.execute(labels.delete().where(labels.c.task == task))


def folded(text: object) -> str:
    """Give a text without case, and without what ends a text for a database."""
    return (
        str(text or "").encode(errors="replace").decode().casefold().replace("\0", " ")
    )


def _row(head: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: head.get(name) for name in COPIED}
    return row | {name: folded(head.get(name)) for name in ("name", "comment")}


def _tags(head: Mapping[str, Any]) -> set[tuple[str, bool]]:
    return {
        (str(tag), system)
        for field, system in TAGS.items()
        for tag in head.get(field) or ()
    }


def _add_tags(db: sa.Connection, task: str, tags: set[tuple[str, bool]]) -> None:
    rows = [{"task": task, "tag": tag, "system": system} for tag, system in tags]
    if rows:
        db.execute(labels.insert(), rows)
