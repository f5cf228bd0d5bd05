"""Endpoints by name: what each needs, who may call it, and what answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from waylab_tracking.errors import forbidden, validation
from waylab_tracking.identity import Identity, Principal, Role

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request as a handler sees it; `lines` are those of a batch."""

    db: sa.Connection
    who: Principal
    body: Json
    identity: Identity
    lines: tuple[Json, ...] = field(default=())

    def need(self, name: str) -> Any:
        """Give a field that must be there (400/800 otherwise)."""
        value = self.body.get(name)
        if value is None or value == "":
            msg = f"field {name!r} is required"
            raise validation(msg)
        return value


Handler = Callable[[Call], Json]
EVERYONE = frozenset(Role)
PEOPLE = frozenset({Role.SYSTEM, Role.ADMIN, Role.USER})
AGENTS = frozenset({Role.SYSTEM, Role.AGENT})
SYSTEM_ONLY = frozenset({Role.SYSTEM})


@dataclass(frozen=True)
class Endpoint:
    """A handler and the roles that may call it."""

    handler: Handler
    roles: frozenset[Role]


ENDPOINTS: dict[str, Endpoint] = {}


def endpoint(
    *names: str, roles: frozenset[Role] = EVERYONE
) -> Callable[[Handler], Handler]:
    """Register a handler under its names."""

    def register(handler: Handler) -> Handler:
        for name in names:
            ENDPOINTS[name] = Endpoint(handler, roles)
        return handler

    return register


def dispatch(name: str, call: Call) -> Json:
    """Answer one call; refusals are `ApiError`s."""
    found = ENDPOINTS[name]
    if call.who.role not in found.roles:
        msg = f"{name} is not for the role {call.who.role.value}"
        raise forbidden(msg)
    return found.handler(call)
