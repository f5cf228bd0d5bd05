"""What the ledger is told of a site, and what it shows of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from waylab_ledger.values import Device, Found, Lease, NodeState, Ticket


@dataclass(frozen=True)
class NodePlan:
    """What the site says of a node.

    A `reserved` node serves only requests that name it. A `large` one is spared as
    long as another will do. `processes` says that labs or jobs may run there as
    processes, without an engine: then only a report that looked for processes, too,
    proves that nothing was started by a hub that died. On any other node a report
    without an engine's answer is none, as what runs there are containers.
    """

    name: str
    reserved: bool = False
    large: bool = False
    processes: bool = False


@dataclass(frozen=True)
class NodeView:
    """A node as the board shows it; `declared` says that the site still has it."""

    name: str
    state: NodeState
    drained: bool
    declared: bool
    reserved: bool
    large: bool
    last_seen: datetime | None
    engine_id: str | None
    complete: bool
    """Whether its last report saw everything; otherwise it takes no new leases."""
    trouble: str


@dataclass(frozen=True)
class DeviceView:
    """A device, and who has it.

    `present` says that the node's last report named it; `orphaned` that a container
    without a lease uses it. It is kept from newcomers of the rank `kept_from` and of
    later ones, for a ticket that was overtaken often.
    """

    device: Device
    lease: str | None
    present: bool
    orphaned: bool
    kept_from: int | None = None
    utilisation: dict[str, float] = field(default_factory=dict)

    def is_open_to(self, rank: int) -> bool:
        """Tell whether a newcomer of that rank could be given it now."""
        is_kept = self.kept_from is not None and self.kept_from <= rank
        return self.present and self.lease is None and not (self.orphaned or is_kept)


@dataclass(frozen=True)
class Snapshot:
    """The ledger at one moment; `version` grows with every change."""

    nodes: tuple[NodeView, ...]
    devices: tuple[DeviceView, ...]
    leases: tuple[Lease, ...]
    """Those that are not released."""
    tickets: tuple[Ticket, ...]
    """Those that are not closed."""
    version: int


@dataclass(frozen=True)
class Place:
    """A ticket's place in the line.

    `position` counts from 1 among the tickets that want the same devices; `ahead` are
    those before it. It is expected to get its lease between `expected_from` and
    `expected_to`, as things stand: the one if all end as soon as such holders usually
    do, the other if all use up their time limits. Either is None where nobody can say.
    """

    ticket: str
    position: int
    ahead: tuple[str, ...]
    expected_from: datetime | None
    expected_to: datetime | None


class EventKind(StrEnum):
    """What changed."""

    TICKET_OPENED = "ticket-opened"
    TICKET_CHANGED = "ticket-changed"
    TICKET_GRANTED = "ticket-granted"
    TICKET_RETURNED = "ticket-returned"
    """Its lease was given back before anybody came; it waits again."""
    TICKET_CLOSED = "ticket-closed"
    LEASE_PENDING = "lease-pending"
    LEASE_GRANTED = "lease-granted"
    LEASE_TAKEN_OVER = "lease-taken-over"
    """Another process answers for it, as the one that took it is dead."""
    LEASE_ACTIVE = "lease-active"
    LEASE_RELEASING = "lease-releasing"
    LEASE_LOST = "lease-lost"
    LEASE_FOUND = "lease-found"
    LEASE_RELEASED = "lease-released"
    NODE_DECLARED = "node-declared"
    NODE_UP = "node-up"
    NODE_DOWN = "node-down"
    NODE_DRAINED = "node-drained"
    NODE_UNDRAINED = "node-undrained"
    NODE_FENCED = "node-fenced"
    NODE_DEVICES = "node-devices"
    ORPHAN_SEEN = "orphan-seen"
    EPOCH = "epoch"


@dataclass(frozen=True)
class Event:
    """A change; `number` orders them. `gpus` counts a slice as its share of a GPU."""

    number: int
    at: datetime
    kind: EventKind
    text: str = ""
    node: str | None = None
    lease: str | None = None
    ticket: str | None = None
    holder: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    project: str | None = None
    queue: str | None = None
    devices: tuple[str, ...] = ()
    gpus: float = 0.0


@dataclass(frozen=True)
class ReportOutcome:
    """What the agent that reported is told.

    It stops and removes the `orphans`. It gives `version` back as `NodeReport.seen`
    of the next look, if it begins that look after it has read this answer.
    """

    orphans: tuple[Found, ...]
    version: int
