"""Endpoints by name: what each takes and what answers; who may call is `access`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from waylab_tracking.access import ROLES
from waylab_tracking.errors import ApiError, forbidden, validation
from waylab_tracking.identity import Identity, Principal
from waylab_tracking.requests import Request, read

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request as a handler sees it; `lines` are those of a batch, and `digest`
    tells this batch from others; `address` is where it came from."""

    db: sa.Connection
    who: Principal
    body: Json
    identity: Identity
    lines: tuple[Json, ...] = field(default=())
    digest: str = ""
    address: str = ""

    def need(self, name: str) -> Any:
        """Give a field that must be there (400/800 otherwise)."""
        value = self.body.get(name)
        if value is None or value == "":
            msg = f"field {name!r} is required"
            raise validation(msg)
        return value

    def like(self, **body: Any) -> Call:
        """Give the same call with another body."""
        return replace(self, body=body)


Handler = Callable[[Call], Json]


@dataclass(frozen=True)
class Endpoint:
    """A handler and what it takes."""

    handler: Handler
    takes: type[Request]


ENDPOINTS: dict[str, Endpoint] = {}


def endpoint(
    *names: str, takes: type[Request] = Request
) -> Callable[[Handler], Handler]:
    """Register a handler under its names."""

    def register(handler: Handler) -> Handler:
        for name in names:
            ENDPOINTS[name] = Endpoint(handler, takes)
        return handler

    return register


def dispatch(name: str, call: Call) -> Json:
    """Answer one call; refusals are `ApiError`s."""
    found = ENDPOINTS[name]
    if call.who.role not in ROLES.get(name, frozenset()):
        msg = f"{name} is not for the role {call.who.role.value}"
        raise forbidden(msg)
    body = call.body if call.lines else read(found.takes, call.body)
    return found.handler(replace(call, body=body))


def for_each(call: Call, handler: Callable[[Call], Json]) -> Json:
    """Do for every task of `ids`; a refusal of one leaves the others alone."""
    done: list[Json] = []
    failed: list[Json] = []
    for one in call.need("ids"):
        try:
            answer = handler(replace(call, body={**call.body, "task": one}))
            done.append({"id": one, **answer})
        except ApiError as error:
            codes = {"codes": [error.status, error.subcode], "msg": error.message}
            failed.append({"id": one, "error": codes})
    return {"succeeded": done, "failed": failed}
