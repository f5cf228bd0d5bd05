"""`auth.*`: tokens and key pairs."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking.access import Role
from waylab_tracking.database import credentials, users
from waylab_tracking.errors import unauthorized, validation
from waylab_tracking.identity import (
    JOB_TOKEN_SECONDS,
    TOKEN_SECONDS,
    make_credentials,
)
from waylab_tracking.registry import Call, Json, endpoint

PEOPLES_ROLES = (Role.ADMIN.value, Role.USER.value)


@endpoint("auth.login")
def login(call: Call) -> Json:
    """Give a token to who came with keys or with a token that is still good."""
    limit = JOB_TOKEN_SECONDS if call.who.task else TOKEN_SECONDS
    asked = call.body.get("expiration_sec")
    seconds = min(asked, limit) if isinstance(asked, int) and asked > 0 else limit
    return {"token": call.identity.token(call.who, seconds)}


@endpoint("auth.logout")
def logout(_: Call) -> Json:
    """Say goodbye: a token ends with its time, or with its key pair."""
    return {}


@endpoint("auth.edit_user")
def edit_user(call: Call) -> Json:
    """Give a user another role; the hub gives its own at the next sign-in."""
    user, role = str(call.need("user")), str(call.need("role"))
    row = call.db.execute(sa.select(users).where(users.c.id == user)).first()
    if row is None or row.role not in PEOPLES_ROLES:
        msg = f"{user!r} is no user whose role can be edited"
        raise validation(msg)
    if role not in PEOPLES_ROLES:
        msg = f"field 'role': {role!r} is none of {', '.join(PEOPLES_ROLES)}"
        raise validation(msg)
    call.db.execute(users.update().where(users.c.id == user).values(role=role))
    return {"updated": 1, "fields": {"role": role}}


@endpoint("auth.create_credentials")
def create(call: Call) -> Json:
    """Make a key pair of the caller's."""
    _no_job(call)
    label = str(call.body.get("label") or "")
    return {"credentials": make_credentials(call.db, call.who.id, label)}


@endpoint("auth.get_credentials")
def get_all(call: Call) -> Json:
    """List the caller's keys, without their secrets."""
    rows = call.db.execute(
        sa.select(credentials)
        .where(credentials.c.user == call.who.id)
        .order_by(credentials.c.created)
    )
    return {
        "credentials": [
            {"access_key": row.access_key, "label": row.label} for row in rows
        ]
    }


@endpoint("auth.revoke_credentials")
def revoke(call: Call) -> Json:
    """Make one of the caller's key pairs useless."""
    _no_job(call)
    done = call.db.execute(
        credentials.delete().where(
            credentials.c.user == call.who.id,
            credentials.c.access_key == call.need("access_key"),
        )
    )
    return {"revoked": done.rowcount}


@endpoint("auth.edit_credentials")
def edit(call: Call) -> Json:
    """Rename one of the caller's key pairs."""
    _no_job(call)
    done = call.db.execute(
        credentials.update()
        .where(
            credentials.c.user == call.who.id,
            credentials.c.access_key == call.need("access_key"),
        )
        .values(label=str(call.body.get("label") or ""))
    )
    return {"updated": done.rowcount}


def _no_job(call: Call) -> None:
    if call.who.task:
        msg = "a job's token makes and revokes no keys"
        raise unauthorized(msg)
