"""`debug.*`: whether the server hears, and what it hears."""

from __future__ import annotations

from waylab_tracking.errors import ApiError
from waylab_tracking.registry import Call, Json, endpoint


@endpoint("debug.ping_auth")
def ping_auth(_: Call) -> Json:
    """Say that the caller is known."""
    return {"msg": "You are known here"}


@endpoint("debug.echo")
def echo(call: Call) -> Json:
    """Give the request back."""
    return dict(call.body)


@endpoint("debug.ex", "debug.apiex")
def refuse(_: Call) -> Json:
    """Answer an error, for clients that test how they take it."""
    raise ApiError(400, 0, "An error, as it was asked for")
