"""Which execution of a task counts, and which were given up.

An execution begins when a task is put into a queue (or is started without one) and
ends with it. Whoever runs an earlier one, such as a node that nobody could reach for
a while, writes into the record of the present one no more: a job's token names its
execution, an agent names it in a header, and what comes with an owner's own keys is
told apart by the name of the machine that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from waylab_tracking.database import executions, fences
from waylab_tracking.moment import new_id


def current(db: sa.Connection, task: str) -> str:
    """Give the execution that counts; empty for a task of which none is known."""
    known = sa.select(executions.c.id).where(executions.c.task == task)
    return db.execute(known).scalar() or ""


def renew(db: sa.Connection, task: str, queue: str = "") -> None:
    """Give up the execution that counted: the next one waits in a queue, or in none."""
    _set(db, task, id=new_id(), queue=queue, ours=False, lost=None)


def begin(
    db: sa.Connection, task: str, queue: str, *, named: str | None, ours: bool
) -> None:
    """Note that an execution has been started, out of a queue or (empty) out of none.

    `named`: the id that its agent has chosen for it. `ours`: its agent is one of
    Waylab's, which does not back off when the server was away.
    """
    chosen = {"id": named} if named else {}
    _set(db, task, queue=queue, ours=ours, lost=None, **chosen)


def give_up(db: sa.Connection, task: str, hosts: Iterable[str]) -> None:
    """Count a loss, and fence off the machines that the execution was heard from."""
    mine = executions.c.task == task
    db.execute(executions.update().where(mine).values(losses=executions.c.losses + 1))
    renew(db, task)
    for host in hosts:
        lift(db, task, host)
        db.execute(fences.insert().values(task=task, host=host))


def forgive(db: sa.Connection, task: str) -> None:
    """Forget how often a task was lost: somebody has enqueued it anew."""
    db.execute(executions.update().where(executions.c.task == task).values(losses=0))


def lift(db: sa.Connection, task: str, host: str) -> None:
    """Let a machine write again: it has started the execution that counts."""
    db.execute(fences.delete().where(fences.c.task == task, fences.c.host == host))


def is_fenced(db: sa.Connection, task: str, host: str) -> bool:
    """Say whether an execution on that machine was given up."""
    mine = sa.and_(fences.c.task == task, fences.c.host == host)
    return db.execute(sa.select(fences.c.task).where(mine)).first() is not None


def mark(db: sa.Connection, task: str, lost: str | None) -> None:
    """Note since when nothing is heard of the execution; None: it is heard again."""
    _set(db, task, lost=lost)


def forget(db: sa.Connection, task: str) -> None:
    """Forget all of a task that is deleted."""
    for table in (executions, fences):
        db.execute(table.delete().where(table.c.task == task))


def _set(db: sa.Connection, task: str, **values: Any) -> None:
    done = db.execute(
        executions.update().where(executions.c.task == task).values(**values)
    )
    if not done.rowcount:
        fresh = {"id": new_id(), "queue": "", "ours": False, "lost": None, "losses": 0}
        db.execute(executions.insert().values({**fresh, **values, "task": task}))
