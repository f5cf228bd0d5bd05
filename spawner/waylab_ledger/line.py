"""Who is next: one line for labs and jobs, and who may pass whom.

The line is ordered by rank, then by arrival; a rank improves with each `AGEING` that
a ticket has waited, so that the least urgent comes to the head in the end. Within a
ClearML queue the queue's own order rules: of the places that its tickets have in the
line, the i-th of the queue takes the i-th.

What does not fit now lets later ones pass, but only `MOST_OVERTAKINGS` times: then a
node is its target, and nobody behind it gets a matching device there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from waylab_ledger.placement import Capacity, Placement, matches, place
from waylab_ledger.values import Device, Selector, Ticket

MOST_OVERTAKINGS = 4
AGEING = timedelta(hours=6)


@dataclass(frozen=True)
class Grant:
    """Devices for a ticket."""

    ticket: Ticket
    placement: Placement
    overtakes: tuple[str, ...]
    """Tickets before it that could have used one of the devices."""


@dataclass(frozen=True)
class Plan:
    """What is to be granted now, and the waiting tickets whose target changes."""

    grants: tuple[Grant, ...]
    targets: dict[str, str | None]


def in_order(tickets: Iterable[Ticket], now: datetime) -> list[Ticket]:
    """Give the line of some waiting tickets."""
    places = {one.id: _place(one, now) for one in tickets}
    waiting = list(tickets)
    by_queue: dict[str, list[Ticket]] = defaultdict(list)
    for ticket in waiting:
        if ticket.request.queue is not None and ticket.queue_position is not None:
            by_queue[ticket.request.queue].append(ticket)
    for queued in by_queue.values():
        taken = sorted(places[one.id] for one in queued)
        queued.sort(key=lambda one: (one.queue_position or 0, one.serial))
        places.update({one.id: at for one, at in zip(queued, taken, strict=True)})
    return sorted(waiting, key=lambda one: places[one.id])


def plan(line: Sequence[Ticket], capacities: Iterable[Capacity]) -> Plan:
    """Decide who of the line gets what of the capacity that is free."""
    free = {one.node: one for one in capacities}
    grants: list[Grant] = []
    blocked: list[Ticket] = []
    kept: dict[str, dict[int, Selector]] = {node: {} for node in free}
    targets: dict[str, str | None] = {}

    def block(at: int, ticket: Ticket) -> Ticket:
        """Keep a node for it from now on, if it has been passed enough."""
        ticket = _with_target(ticket, free.values(), targets)
        if ticket.target is not None and ticket.target in kept:
            kept[ticket.target][at] = ticket.request.selector
        return ticket

    for ticket in line:
        selector = ticket.request.selector
        allowed = [_left_for(one, kept[one.node].values()) for one in free.values()]
        placement = place(selector, allowed)
        if placement is None:
            blocked.append(block(len(blocked), ticket))
            continue
        taken = frozenset(placement.devices)
        overtaken = [
            at
            for at, before in enumerate(blocked)
            if before.target is None and _wants(before, free[placement.node], taken)
        ]
        ids = tuple(blocked[at].id for at in overtaken)
        grants.append(Grant(ticket, placement, ids))
        free[placement.node] = free[placement.node].without(taken)
        for at in overtaken:
            passed = replace(blocked[at], overtaken=blocked[at].overtaken + 1)
            blocked[at] = block(at, passed)
    return Plan(tuple(grants), targets)


def competes(one: Selector, other: Selector, capacities: Iterable[Capacity]) -> bool:
    """Tell whether two requests could use the same device."""
    return any(
        matches(device, one) and matches(device, other)
        for capacity in capacities
        if capacity.admits(one) and capacity.admits(other)
        for device in capacity.devices
    )


def rank(ticket: Ticket, now: datetime) -> int:
    """Give how urgent a ticket is by now; smaller is sooner."""
    waited = max(now - ticket.created_at, timedelta(0))
    return max(0, ticket.request.priority - waited // AGEING)


def kept_for(device: Device, tickets: Iterable[Ticket], now: datetime) -> int | None:
    """Give the rank from which on a device is kept from newcomers; None if from none.

    It is that of the most urgent ticket whose target the device's node is: nobody
    behind it gets the device.
    """
    return min(
        (
            rank(one, now)
            for one in tickets
            if one.target == device.node and matches(device, one.request.selector)
        ),
        default=None,
    )


def _place(ticket: Ticket, now: datetime) -> tuple[int, int]:
    return rank(ticket, now), ticket.serial


def _with_target(
    ticket: Ticket, capacities: Iterable[Capacity], changed: dict[str, str | None]
) -> Ticket:
    """Give the ticket with the node that is kept for it, if it has been passed enough.

    A target stays as long as the node could still serve it: else two nodes might
    take turns in never being empty.
    """
    if ticket.overtaken < MOST_OVERTAKINGS:
        return ticket
    selector = ticket.request.selector
    fit = {
        one.node: one
        for one in capacities
        if len(one.matching(selector)) >= selector.count
    }
    if ticket.target in fit:
        return ticket
    target = min(
        fit.values(), key=lambda one: (_missing(one, selector), one.node), default=None
    )
    name = target.node if target else None
    if name != ticket.target:
        changed[ticket.id] = name
    return replace(ticket, target=name)


def _missing(capacity: Capacity, selector: Selector) -> int:
    free = sum(one.id in capacity.free for one in capacity.matching(selector))
    return selector.count - free


def _left_for(capacity: Capacity, kept: Collection[Selector]) -> Capacity:
    """Give a node without what is kept there for tickets before."""
    if not kept:
        return capacity
    return capacity.without(
        device.id
        for device in capacity.devices
        if any(matches(device, selector) for selector in kept)
    )


def _wants(ticket: Ticket, capacity: Capacity, taken: frozenset[str]) -> bool:
    selector = ticket.request.selector
    matching = capacity.matching(selector)
    return len(matching) >= selector.count and any(one.id in taken for one in matching)
