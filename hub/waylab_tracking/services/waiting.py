"""The lines of tasks that wait, one a queue, in strict order."""

from __future__ import annotations

import time
from datetime import datetime

import sqlalchemy as sa

from waylab_tracking import executions
from waylab_tracking.database import claims, entries, popped, queues, tasks, workers
from waylab_tracking.errors import ApiError, invalid_queue
from waylab_tracking.moment import now
from waylab_tracking.registry import Json
from waylab_tracking.services import queue_figures

LEASE_SECONDS = 60.0
WORKER_SECONDS = 600.0


def queue_by_id(db: sa.Connection, queue: object) -> Json:
    """Give a queue's document without its entries (400/701)."""
    doc = db.execute(sa.select(queues.c.doc).where(queues.c.id == queue)).scalar()
    if doc is None:
        raise invalid_queue(queue)
    return dict(doc)


def queue_by_name(db: sa.Connection, name: str) -> Json:
    """Give a queue's document by name (400/701)."""
    doc = db.execute(sa.select(queues.c.doc).where(queues.c.name == name)).scalar()
    if doc is None:
        raise invalid_queue(name)
    return dict(doc)


def default_queue(db: sa.Connection) -> str:
    """Give the id of the queue `default`."""
    return str(queue_by_name(db, "default")["id"])


def in_order(db: sa.Connection, queue: str, most: int | None = None) -> list[Json]:
    """Give a queue's entries (`most` of them), the next one first."""
    mine = sa.select(entries).where(entries.c.queue == queue)
    rows = db.execute(mine.order_by(entries.c.place).limit(most))
    return [{"task": row.task, "added": row.added} for row in rows]


def append(db: sa.Connection, queue: Json, task: str) -> None:
    """Put a task at the end (400/706 if it waits somewhere)."""
    refuse_if_waiting(db, task)
    db.execute(popped.delete().where(popped.c.task == task))
    db.execute(claims.delete().where(claims.c.task == task))
    last = db.execute(
        sa.select(sa.func.max(entries.c.place)).where(entries.c.queue == queue["id"])
    ).scalar()
    added = now()
    db.execute(
        entries.insert().values(
            task=task,
            queue=queue["id"],
            place=(last or 0) + 1,
            added=added,
            since=datetime.fromisoformat(added).timestamp(),
        )
    )
    executions.renew(db, task, str(queue["id"]))
    queue_figures.record(db, queue["id"])


def refuse_if_waiting(db: sa.Connection, task: str) -> None:
    """Refuse a task that is in a queue already (400/706)."""
    where = db.execute(
        sa.select(entries.c.queue).where(entries.c.task == task)
    ).scalar()
    if where is not None:
        raise ApiError(400, 706, f"Task already queued: task={task}, queue={where}")


def remove(db: sa.Connection, task: str, queue: str | None = None) -> int:
    """Take a task out of its queue (or of this one only); give 1 or 0."""
    db.execute(popped.delete().where(popped.c.task == task))
    mine = sa.select(entries.c.queue).where(entries.c.task == task)
    where = db.execute(mine).scalar()
    if where is None or (queue is not None and where != queue):
        return 0
    queue_figures.record(db, where)
    return int(db.execute(entries.delete().where(entries.c.task == task)).rowcount)


def pop(db: sa.Connection, task: str, queue: str) -> None:
    """Take the task out of its queue, to come back unless it is begun soon.

    An agent that dies between the answer and `tasks.started` would lose it else.
    """
    remove(db, task)
    until = time.time() + LEASE_SECONDS
    db.execute(popped.insert().values(task=task, queue=queue, until=until))


def give_back_overdue(db: sa.Connection, at: float | None = None) -> list[str]:
    """Put popped tasks that nobody has begun back at the head of their queues."""
    due = popped.c.until <= (time.time() if at is None else at)
    rows = db.execute(popped.delete().where(due).returning(popped)).all()
    given = []
    for row in rows:
        task, queue = row.task, row.queue
        status = sa.select(tasks.c.status).where(tasks.c.id == task)
        known = sa.select(queues.c.id).where(queues.c.id == queue)
        if (
            db.execute(status).scalar() == "queued"
            and db.execute(sa.select(entries).where(entries.c.task == task)).first()
            is None
            and db.execute(known).first() is not None
        ):
            append(db, {"id": queue}, task)
            place(db, queue, task, 0)
            given.append(task)
    return given


def place(db: sa.Connection, queue: str, task: str, index: int) -> int:
    """Put a waiting task at an index of its queue; give the new index."""
    order = [entry["task"] for entry in in_order(db, queue)]
    if task not in order:
        raise ApiError(400, 703, f"Task not queued: task={task}, queue={queue}")
    order.remove(task)
    index = max(0, min(index, len(order)))
    order.insert(index, task)
    for number, one in enumerate(order):
        db.execute(
            entries.update().where(entries.c.task == one).values(place=number + 1)
        )
    return index


def index_of(db: sa.Connection, queue: str, task: str) -> int:
    """Give a waiting task's index (400/703)."""
    order = [entry["task"] for entry in in_order(db, queue)]
    if task not in order:
        raise ApiError(400, 703, f"Task not queued: task={task}, queue={queue}")
    return order.index(task)


def is_watched(db: sa.Connection, queue: str) -> bool:
    """Say whether a worker serves the queue."""
    alive = workers.c.last_seen >= time.time() - WORKER_SECONDS
    docs = db.execute(sa.select(workers.c.doc).where(alive)).scalars()
    return any(queue in (doc.get("queues") or ()) for doc in docs)
