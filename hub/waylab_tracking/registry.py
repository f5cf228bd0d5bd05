"""Endpoints by name: what each takes and what answers; who may call is `access`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from waylab_tracking import sight
from waylab_tracking.access import ROWS, Right, Role
from waylab_tracking.errors import ApiError, forbidden, validation
from waylab_tracking.fencing import FENCED, Origin, check
from waylab_tracking.identity import Identity, Principal
from waylab_tracking.pulse import Pulse
from waylab_tracking.requests import Request, read
from waylab_tracking.settings import LossRule, Retention
from waylab_tracking.thinned import Thinned

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request as a handler sees it.

    `lines` are those of a batch, and `digest` tells this batch from others; `address`
    is where it came from, `origin` where it says that it comes from. `pulse` hears of
    runs, `rules` say by queue name what becomes of lost jobs, `thinned` remembers
    curves, `retention` is what is kept of old runs.
    """

    db: sa.Connection
    who: Principal
    body: Json
    identity: Identity
    lines: tuple[Json, ...] = field(default=())
    digest: str = ""
    address: str = ""
    origin: Origin = field(default=Origin())
    pulse: Pulse = field(default_factory=Pulse)
    rules: Mapping[str, LossRule] = field(default_factory=dict)
    thinned: Thinned = field(default_factory=Thinned)
    retention: Retention = field(default=Retention())

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


def admit(name: str, who: Principal) -> None:
    """Refuse a call that its caller's role may not make (403)."""
    row = ROWS.get(name)
    if row is None or who.role not in row.roles:
        msg = f"{name} is not for the role {who.role.value}"
        raise forbidden(msg)


def dispatch(name: str, call: Call) -> Json:
    """Answer one call as the table of `access` allows; refusals are `ApiError`s."""
    found = ENDPOINTS[name]
    admit(name, call.who)
    body = call.body if call.lines else read(found.takes, call.body)
    call = replace(call, body=body)
    _check(name, call)
    if name in FENCED:
        check(call.db, call.origin, body, call.lines)
    return found.handler(call)


def _check(name: str, call: Call) -> None:
    """Check what the call needs of the things that it names."""
    for need in ROWS[name].needs:
        if need.each:
            continue  # Its handler refuses one and does the others.
        ids = _named(call, need.field)
        sight.require(call.db, call.who, need.kind, ids)
        takes = need.right is Right.TAKE and call.who.role is Role.AGENT
        if need.right is not Right.SEE and not takes:
            sight.require_own(call.db, call.who, need.kind, ids)


def _named(call: Call, field: str) -> list[Any]:
    outer, _, inner = field.rpartition(".")
    if not outer:
        value = call.body.get(field)
        return value if isinstance(value, list) else [value]
    rows = call.lines if outer == "lines" else call.body.get(outer) or ()
    return [row.get(inner) for row in rows]


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
