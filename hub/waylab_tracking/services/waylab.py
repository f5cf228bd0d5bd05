"""`waylab.*`: what a ClearML Server has no endpoint for."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from waylab_tracking.database import credentials, users
from waylab_tracking.errors import invalid_status, unauthorized, validation
from waylab_tracking.identity import (
    JOB_TOKEN_SECONDS,
    Role,
    find_user,
    is_active,
)
from waylab_tracking.moment import new_id, now
from waylab_tracking.registry import AGENTS, SYSTEM_ONLY, Call, Json, endpoint
from waylab_tracking.services import documents


@endpoint("waylab.ensure_user", roles=SYSTEM_ONLY)
def ensure_user(call: Call) -> Json:
    """Make a user, or give the one of that name this role."""
    name = str(call.need("name"))
    try:
        role = Role(call.body.get("role") or "user")
    except ValueError as error:
        msg = f"there is no role {call.body.get('role')!r}"
        raise validation(msg) from error
    if role is Role.SYSTEM or name == "system":
        msg = "the system principal is not a user"
        raise validation(msg)
    row = call.db.execute(sa.select(users).where(users.c.name == name)).first()
    if row is not None:
        call.db.execute(
            users.update().where(users.c.id == row.id).values(role=role.value)
        )
        return {"id": row.id, "created": False}
    user = new_id()
    call.db.execute(
        users.insert().values(id=user, name=name, role=role.value, created=now())
    )
    return {"id": user, "created": True}


@endpoint("waylab.remove_user", roles=SYSTEM_ONLY)
def remove_user(call: Call) -> Json:
    """Remove a user and all keys; what the user made stays."""
    name = str(call.need("name"))
    row = call.db.execute(sa.select(users).where(users.c.name == name)).first()
    if row is None:
        return {"removed": 0}
    call.db.execute(credentials.delete().where(credentials.c.user == row.id))
    # The row stays, under a name that nobody signs in with: tasks refer to it.
    call.db.execute(
        users.update()
        .where(users.c.id == row.id)
        .values(name=f"{name} (removed {row.id[:6]})", role=Role.USER.value)
    )
    return {"removed": 1}


@endpoint("waylab.job_token", roles=AGENTS)
def job_token(call: Call) -> Json:
    """Give the token with which a claimed task's job acts for its owner."""
    task = documents.get_task(call.db, call.need("task"))
    if not is_active(call.db, task["id"]):
        msg = f"task {task['id']} is neither claimed nor running"
        raise invalid_status(msg)
    owner = find_user(call.db, task["user"])
    if owner.role is Role.AGENT:
        msg = "an agent owns no tasks"
        raise unauthorized(msg)
    token = call.identity.token(replace(owner, task=task["id"]), JOB_TOKEN_SECONDS)
    return {
        "token": token,
        "user": {"id": owner.id, "name": owner.name},
        "expires_in": JOB_TOKEN_SECONDS,
    }
