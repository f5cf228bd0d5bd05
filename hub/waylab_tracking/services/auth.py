"""`auth.*`: tokens and key pairs."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking.database import credentials
from waylab_tracking.errors import unauthorized
from waylab_tracking.identity import (
    JOB_TOKEN_SECONDS,
    TOKEN_SECONDS,
    make_credentials,
)
from waylab_tracking.registry import Call, Json, endpoint


@endpoint("auth.login")
def login(call: Call) -> Json:
    """Give a token to who came with keys or with a token that is still good."""
    limit = JOB_TOKEN_SECONDS if call.who.task else TOKEN_SECONDS
    asked = call.body.get("expiration_sec")
    seconds = min(asked, limit) if isinstance(asked, int) and asked > 0 else limit
    return {"token": call.identity.token(call.who, seconds)}


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
