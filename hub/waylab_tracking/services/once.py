"""Keys under which tasks are enqueued, so that a repeated call does nothing."""

from __future__ import annotations

import time

import sqlalchemy as sa

from waylab_tracking.database import enqueue_keys
from waylab_tracking.errors import not_unique
from waylab_tracking.identity import digest
from waylab_tracking.registry import Call

MEMORY_SECONDS = 30 * 24 * 3600.0


def is_used(call: Call, key: str) -> bool:
    """Say whether the caller has enqueued this task under a key in the last 30 days.

    Keys of different users never meet.

    Raises:
        ApiError: the key is of another task (400/801).
    """
    known = sa.select(enqueue_keys.c.task).where(
        enqueue_keys.c.digest == _own(call, key)
    )
    used = call.db.execute(known).scalar()
    if used is not None and used != call.need("task"):
        msg = f"the key {key!r} has enqueued task {used}"
        raise not_unique(msg)
    return used is not None


def keep(call: Call, key: str) -> None:
    """Note that the task was enqueued under a key."""
    moment = time.time()
    old = enqueue_keys.c.at < moment - MEMORY_SECONDS
    call.db.execute(enqueue_keys.delete().where(old))
    row = {"digest": _own(call, key), "task": str(call.need("task")), "at": moment}
    call.db.execute(enqueue_keys.insert().values(row))


def _own(call: Call, key: str) -> str:
    return digest(f"{call.who.id}\0{key}")
