"""`users.*` and `server.*`: who there is, and what this server is."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking.database import users
from waylab_tracking.identity import API_VERSION, COMPANY, SERVER_VERSION
from waylab_tracking.registry import Call, Json, endpoint


@endpoint("users.get_current_user")
def get_current_user(call: Call) -> Json:
    """Tell the caller who it is."""
    return {
        "user": {
            "id": call.who.id,
            "name": call.who.name,
            "role": call.who.role.value,
            "company": {"id": COMPANY, "name": COMPANY},
        }
    }


@endpoint("users.get_all", "users.get_all_ex")
def get_all(call: Call) -> Json:
    """List users."""
    wanted = call.body.get("id")
    rows = call.db.execute(sa.select(users).order_by(users.c.name))
    return {
        "users": [
            {"id": row.id, "name": row.name, "company": COMPANY}
            for row in rows
            if not wanted or row.id in wanted
        ]
    }


@endpoint("users.get_by_id")
def get_by_id(call: Call) -> Json:
    """Give one user."""
    row = call.db.execute(
        sa.select(users).where(users.c.id == call.need("user"))
    ).first()
    found = {"id": row.id, "name": row.name, "company": COMPANY} if row else None
    return {"user": found}


@endpoint("users.get_preferences")
def get_preferences(_: Call) -> Json:
    """Nobody has any."""
    return {"preferences": {}}


@endpoint("users.get_vaults")
def get_vaults(_: Call) -> Json:
    """Nobody keeps settings on the server."""
    return {"vaults": []}


@endpoint("server.info")
def server_info(_: Call) -> Json:
    """Tell the versions."""
    return {
        "version": SERVER_VERSION,
        "build": "waylab",
        "commit": "",
        "uid": "waylab",
        "api_version": API_VERSION,
    }


@endpoint("server.config")
def server_config(_: Call) -> Json:
    """Nothing of the configuration is public."""
    return {"config": {}}
