"""The open part of the ledger: what rules read, and what a transaction changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from waylab_ledger.placement import Capacity, gpu_share
from waylab_ledger.values import (
    Device,
    Lease,
    LeaseState,
    NodeState,
    Ticket,
    TicketState,
)
from waylab_ledger.views import Event, EventKind

SILENCE = timedelta(seconds=45)
"""A node whose agent is silent for so long is down."""


@dataclass(frozen=True)
class NodeRecord:
    """What the ledger knows of a node.

    `devices` and `complete` are of the last report, `busy` are the devices that
    containers without a lease use. `fenced_version` is that of the last fence: reports
    that began before it tell nothing.
    """

    name: str
    declared: bool = True
    reserved: bool = False
    large: bool = False
    processes: bool = False
    drained: bool = False
    down: bool = True
    last_seen: datetime | None = None
    began_at: datetime | None = None
    epoch: str | None = None
    engine_id: str | None = None
    other_engines: tuple[str, ...] = ()
    """Engines that answered too, since the last fence: what a process that died was
    starting may be on any of them."""
    complete: bool = False
    trouble: str = ""
    devices: tuple[Device, ...] = ()
    retired: tuple[Device, ...] = ()
    """Devices that are still held, but that the last report did not name."""
    busy: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    utilisation: dict[str, dict[str, float]] = field(default_factory=dict)
    fenced_at: datetime | None = None
    fenced_version: int = 0

    def silent(self, now: datetime) -> bool:
        """Tell whether nothing was heard for too long."""
        return self.last_seen is None or now - self.last_seen > SILENCE

    def takes_leases(self, now: datetime) -> bool:
        """Tell whether a new lease may name its devices."""
        return (
            self.declared
            and self.complete
            and not (self.drained or self.down or self.silent(now))
        )

    def state(self, now: datetime) -> NodeState:
        """Give its state; silence comes before draining."""
        if self.down or self.silent(now):
            return NodeState.DOWN
        return NodeState.DRAINED if self.drained else NodeState.UP


@dataclass(frozen=True)
class Epoch:
    """A process that takes leases; it is dead since another one of its role came."""

    id: str
    role: str
    since: datetime
    dead_at: datetime | None = None
    dead_version: int | None = None


@dataclass
class State:
    """All that is open: nodes, leases, tickets, holds by device, epochs."""

    version: int = 0
    serial: int = 0
    events: int = 0
    """The number of the last event."""
    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, Epoch] = field(default_factory=dict)

    def copy(self) -> State:
        """Give one that can be changed apart from this one."""
        return State(
            self.version,
            self.serial,
            self.events,
            dict(self.nodes),
            dict(self.leases),
            dict(self.tickets),
            dict(self.holds),
            dict(self.epochs),
        )


@dataclass
class Changes:
    """What a transaction writes; released leases and closed tickets included."""

    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    dropped_nodes: set[str] = field(default_factory=set)
    leases: dict[str, Lease] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)
    epochs: dict[str, Epoch] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """Ids of tickets by the key of the request (or "" for other things done once)."""
    events: list[Event] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return any(vars(self).values())


class History(Protocol):
    """What is looked up by id, closed or not, inside the same transaction."""

    def lease(self, id_: str) -> Lease | None:
        """Give a lease that is not open any more."""

    def ticket(self, id_: str) -> Ticket | None:
        """Give a ticket that is not open any more."""

    def last_ticket(self, holder: str) -> Ticket | None:
        """Give the holder's newest closed ticket."""

    def answered(self, key: str) -> str | None:
        """Give what was stored for a key."""

    def epoch(self, id_: str) -> Epoch | None:
        """Give a process that ever registered."""


class Book:
    """A transaction's view of the ledger: reads and changes, events along with them.

    `version` is that which the transaction will have made.
    """

    def __init__(
        self, state: State, history: History, new_id: Callable[[], str]
    ) -> None:
        """Start from a copy of a state."""
        self.state = state
        self.history = history
        self.changes = Changes()
        self.version = state.version + 1
        self.new_id = new_id

    @property
    def nodes(self) -> dict[str, NodeRecord]:
        """Nodes by name; do not change."""
        return self.state.nodes

    @property
    def leases(self) -> dict[str, Lease]:
        """Leases that are not released, by id; do not change."""
        return self.state.leases

    @property
    def tickets(self) -> dict[str, Ticket]:
        """Tickets that are not closed, by id; do not change."""
        return self.state.tickets

    def lease(self, id_: str) -> Lease | None:
        """Give a lease, open or not."""
        return self.leases.get(id_) or self.history.lease(id_)

    def ticket(self, id_: str) -> Ticket | None:
        """Give a ticket, open or not."""
        return self.tickets.get(id_) or self.history.ticket(id_)

    def epoch(self, id_: str | None) -> Epoch | None:
        """Give the process of that id."""
        if id_ is None:
            return None
        return self.state.epochs.get(id_) or self.history.epoch(id_)

    def answered(self, key: str) -> str | None:
        """Give what was stored for a key, in this transaction or before."""
        return self.changes.keys.get(key, self.history.answered(key))

    def leases_on(self, node: str) -> Iterator[Lease]:
        """Give the open leases of a node."""
        return (one for one in list(self.leases.values()) if one.node == node)

    def of_holder(self, holder: str) -> Lease | None:
        """Give the open lease of a holder."""
        same = (
            one for one in self.leases.values() if one.request.holder.text == holder
        )
        return next(same, None)

    def ticket_of_holder(self, holder: str) -> Ticket | None:
        """Give the open ticket of a holder."""
        same = (
            one for one in self.tickets.values() if one.request.holder.text == holder
        )
        return next(same, None)

    def capacities(self, now: datetime | None) -> list[Capacity]:
        """Give the nodes that take leases now; with None, all that there are."""
        return [
            Capacity(
                node.name,
                node.devices,
                frozenset(
                    one.id
                    for one in node.devices
                    if one.id not in self.state.holds and one.id not in node.busy
                ),
                node.reserved,
                node.large,
            )
            for node in self.nodes.values()
            if node.declared and (now is None or node.takes_leases(now))
        ]

    def next_serial(self) -> int:
        """Give the number of the next arrival."""
        self.state.serial += 1
        return self.state.serial

    def remember(self, key: str, answer: str) -> None:
        """Store what a key was answered with."""
        self.changes.keys[key] = answer

    def put_node(self, node: NodeRecord) -> None:
        """Store a node."""
        if self.nodes.get(node.name) != node:
            self.nodes[node.name] = node
            self.changes.nodes[node.name] = node

    def drop_node(self, name: str) -> None:
        """Forget a node."""
        del self.nodes[name]
        self.changes.nodes.pop(name, None)
        self.changes.dropped_nodes.add(name)

    def put_epoch(self, epoch: Epoch) -> None:
        """Store a process."""
        self.state.epochs[epoch.id] = epoch
        self.changes.epochs[epoch.id] = epoch

    def put_ticket(self, ticket: Ticket) -> Ticket:
        """Store a ticket."""
        if ticket.state is TicketState.CLOSED:
            self.tickets.pop(ticket.id, None)
        else:
            self.tickets[ticket.id] = ticket
        self.changes.tickets[ticket.id] = ticket
        return ticket

    def put_lease(self, lease: Lease) -> Lease:
        """Store a lease; its devices are held from its first state to its last."""
        if lease.state is LeaseState.RELEASED:
            self.leases.pop(lease.id, None)
            for device in lease.devices:
                if self.state.holds.get(device) == lease.id:
                    del self.state.holds[device]
                    self.changes.held.pop(device, None)
                    self.changes.freed.add(device)
        else:
            if lease.id not in self.leases:
                for device in lease.devices:
                    self.state.holds[device] = lease.id
                    self.changes.held[device] = lease.id
            self.leases[lease.id] = lease
        self.changes.leases[lease.id] = lease
        return lease

    def share(self, devices: tuple[str, ...], node: str) -> float:
        """Give how many GPUs some devices of a node are."""
        record = self.nodes.get(node)
        known = (*record.devices, *record.retired) if record else ()
        return sum(gpu_share(one) for one in known if one.id in devices)

    def say(
        self,
        kind: EventKind,
        now: datetime,
        subject: Lease | Ticket | None = None,
        *,
        text: str = "",
        node: str | None = None,
    ) -> None:
        """Add an event row."""
        self.state.events += 1
        request = subject.request if subject else None
        lease = subject if isinstance(subject, Lease) else None
        self.changes.events.append(
            Event(
                number=self.state.events,
                at=now,
                kind=kind,
                text=text,
                node=node or (lease.node if lease else None),
                lease=lease.id
                if lease
                else (subject.lease if isinstance(subject, Ticket) else None),
                ticket=lease.ticket if lease else (subject.id if subject else None),
                holder=request.holder.text if request else None,
                user=request.user if request else None,
                groups=request.groups if request else (),
                project=request.project if request else None,
                queue=request.queue if request else None,
                devices=lease.devices if lease else (),
                gpus=self.share(lease.devices, lease.node) if lease else 0.0,
            )
        )


class Store(Protocol):
    """Keeps the ledger; what a transaction wrote is there after any crash."""

    def transaction(self, new_id: Callable[[], str]) -> AbstractContextManager[Book]:
        """Give a book; what it changed is stored when the block ends without an error.

        Transactions exclude each other.

        Raises:
            Conflict: a constraint of the store forbids the changes.
            StoreUnavailable: the store failed.
        """

    def reading(self) -> AbstractContextManager[Book]:
        """Give a book of what is stored now; nothing must be changed in it.

        Raises:
            StoreUnavailable: the store failed.
        """

    def events(self, after: int, limit: int) -> tuple[Event, ...]:
        """Give events in order, of numbers above `after`."""

    def holdings(
        self, since: datetime, until: datetime
    ) -> list[tuple[Event, datetime | None]]:
        """Give grants that overlap a span, each with the time of its release."""

    def durations(self, limit: int) -> list[tuple[str, float]]:
        """Give holder kind and seconds of the leases that ended last."""

    def audit(self, state: State) -> tuple[str, ...]:
        """Compare what is stored with a state; say every difference."""

    def close(self) -> None:
        """Give back files and connections."""
