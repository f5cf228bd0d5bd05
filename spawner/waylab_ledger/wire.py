"""How the ledger's values travel between the board and its callers: as JSON.

Every value of `waylab_ledger.values` has a pydantic `TypeAdapter`; `encode` and
`decode` use it. The other values here are what the board adds in its answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from waylab_ledger.values import (
    Device,
    Found,
    Lease,
    LeaseState,
    NodeState,
    Ticket,
    TicketState,
)

Value = TypeVar("Value")


class WireError(ValueError):
    """What came is not what the program expects; the text names the field."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request: a lease, or else a place in the line."""

    lease: Lease | None = None
    ticket: Ticket | None = None


@dataclass(frozen=True)
class Orders:
    """What a node's agent is to do, in answer to its report.

    `orphans` are to be stopped and removed. `grants` are set aside for jobs and wait
    to be taken. `stop` names leases whose jobs are to end, `reasons` says why
    (`timeout`, `aborted`). `version` is the ledger's when it had read the report.
    """

    orphans: tuple[Found, ...] = ()
    grants: tuple[Lease, ...] = ()
    stop: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True)
class DeviceShown:
    """A device with its holder, as the board shows it.

    `free` says that it would be granted now. `gpu_percent` and `memory_used_bytes`
    are None where nothing was measured lately.
    """

    device: Device
    free: bool = False
    lease: str | None = None
    gpu_percent: float | None = None
    memory_used_bytes: float | None = None
    trouble: str = ""


@dataclass(frozen=True)
class NodeShown:
    """A node and its devices, as the board shows them."""

    name: str
    state: NodeState
    description: str = ""
    seen_at: datetime | None = None
    trouble: str = ""
    devices: tuple[DeviceShown, ...] = ()


@dataclass(frozen=True)
class LeaseShown:
    """A lease without what only its holder's programs may know."""

    id: str
    holder: str
    user: str
    node: str
    devices: tuple[str, ...]
    state: LeaseState
    since: datetime
    until: datetime | None = None
    take_by: datetime | None = None
    project: str = ""
    queue: str | None = None
    note: str = ""
    reason: str = ""
    ticket: str | None = None


@dataclass(frozen=True)
class TicketShown:
    """A ticket with its place in the line, as the board shows it.

    `position` is counted from 1, None once it does not wait any more. `ahead` names
    the tickets before it (not in a `BoardState`, whose line is in order).
    `expected_to` is None where nobody can tell.
    """

    id: str
    holder: str
    user: str
    wants: str
    state: TicketState
    created_at: datetime
    project: str = ""
    queue: str | None = None
    note: str = ""
    position: int | None = None
    ahead: tuple[str, ...] = ()
    expected_from: datetime | None = None
    expected_to: datetime | None = None
    lease: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class BoardState:
    """All that the board shows, at one moment; `version` grows with every change.

    `troubles` are sentences about what the board waits for.
    """

    version: int
    at: datetime
    nodes: tuple[NodeShown, ...] = ()
    leases: tuple[LeaseShown, ...] = ()
    line: tuple[TicketShown, ...] = ()
    troubles: tuple[str, ...] = ()


_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    """Give the one adapter of a type; making one is slow."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def encode(value: object, kind: Any = None) -> Any:
    """Give what `json.dumps` takes; `kind` is named where it is not the value's own."""
    return adapter(kind or type(value)).dump_python(value, mode="json")


def decode(kind: type[Value], data: object) -> Value:
    """Give the value of a type that decoded JSON describes.

    Raises:
        WireError: it does not; the text names the first field at fault.
    """
    try:
        value: Value = adapter(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        msg = f"This is no {kind.__name__}: {place}: {first['msg']}."
        raise WireError(msg) from error
    return value
