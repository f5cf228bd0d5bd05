"""Which agent took a task: what it may then say of it, until another takes it."""

from __future__ import annotations

from waylab_tracking.access import Role
from waylab_tracking.database import claims
from waylab_tracking.registry import Call


def note(call: Call, task: str) -> None:
    """Note that the caller took a task; people need no claim."""
    call.db.execute(claims.delete().where(claims.c.task == task))
    if call.who.role is Role.AGENT:
        call.db.execute(claims.insert().values(task=task, user=call.who.id))
