"""`waylab.*`: what a ClearML Server has no endpoint for."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking import executions, fencing
from waylab_tracking.access import Role
from waylab_tracking.database import credentials, users
from waylab_tracking.errors import (
    forbidden,
    invalid_status,
    unauthorized,
    validation,
)
from waylab_tracking.identity import (
    JOB_TOKEN_SECONDS,
    LIKE_ID,
    as_job,
    is_active,
    user_by_id,
)
from waylab_tracking.moment import new_id, now
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents

MAX_NAME = 200


@endpoint("waylab.ensure_user")
def ensure_user(call: Call) -> Json:
    """Make a user, or give the one of that name this role."""
    name = str(call.need("name"))
    try:
        role = Role(call.body.get("role") or "user")
    except ValueError as error:
        msg = f"there is no role {call.body.get('role')!r}"
        raise validation(msg) from error
    if LIKE_ID.fullmatch(name) or len(name) > MAX_NAME or not name.isprintable():
        msg = f"{name[:MAX_NAME]!r} cannot be a user's name"
        raise validation(msg)
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
        users.insert().values(
            id=user, name=name, role=role.value, created=now(), active=True
        )
    )
    return {"id": user, "created": True}


@endpoint("waylab.remove_user")
def remove_user(call: Call) -> Json:
    """Remove a user and all keys; what the user made stays."""
    name = str(call.need("name"))
    row = call.db.execute(sa.select(users).where(users.c.name == name)).first()
    if row is None:
        return {"removed": 0}
    call.db.execute(credentials.delete().where(credentials.c.user == row.id))
    # The row stays, under another name: tasks refer to it.
    call.db.execute(
        users.update()
        .where(users.c.id == row.id)
        .values(name=f"{name} (removed {row.id[:6]})", active=False)
    )
    return {"removed": 1}


@endpoint("waylab.job_token")
def job_token(call: Call) -> Json:
    """Give the token with which a claimed task's job acts for its owner."""
    if call.who.role is Role.AGENT and not call.identity.agents_get_tokens:
        msg = "the board hands out the tokens of jobs here"
        raise forbidden(msg)
    task = documents.get_task(call.db, call.need("task"))
    if not is_active(call.db, task["id"]):
        msg = f"task {task['id']} is neither claimed nor running"
        raise invalid_status(msg)
    owner = user_by_id(call.db, task["user"])
    if owner.role is Role.AGENT:
        msg = "an agent owns no tasks"
        raise unauthorized(msg)
    fencing.refuse_given_up(call.db, call.origin, task["id"])
    execution = executions.current(call.db, task["id"])
    job = as_job(owner, task["id"], execution)
    token = call.identity.token(job, JOB_TOKEN_SECONDS)
    return {
        "token": token,
        "user": {"id": owner.id, "name": owner.name},
        "expires_in": JOB_TOKEN_SECONDS,
    }
