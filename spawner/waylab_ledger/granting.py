"""From a request to a lease: submitting, mirroring queues, deciding, taking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from waylab_ledger.book import Book
from waylab_ledger.errors import Conflict, LeaseGone, NotFound, Refused
from waylab_ledger.line import Grant, Plan, in_order, plan
from waylab_ledger.placement import could_fit, describe, inventory
from waylab_ledger.values import (
    Lease,
    LeaseState,
    Proof,
    ProofKind,
    Request,
    Ticket,
    TicketState,
)
from waylab_ledger.views import EventKind

TAKE_WITHIN = timedelta(minutes=10)
"""A lease that was set aside for so long and not taken goes to the next."""

COMES_BACK_WITHIN = timedelta(minutes=10)
"""A task that is back in its queue so soon has its old place in the line."""

TAKEN, LEFT, NOT_CLAIMED = "taken", "left the queue", "not claimed"


def submit(
    book: Book, request: Request, now: datetime, taker: str | None
) -> Lease | Ticket:
    """Give a lease if the line lets it have one now, else a ticket."""
    check_taker(book, taker)
    known = book.answered(request.key)
    if known is not None:
        return _answer(book, known, taker, now)
    _check_satisfiable(book, request)
    held = book.of_holder(request.holder.text)
    if held and held.state is not LeaseState.PENDING:
        msg = (
            f"{request.holder} still has lease {held.id} on {held.node} "
            f"({held.state}{': ' + held.reason if held.reason else ''}). End it, or "
            f"wait until it is released."
        )
        raise Conflict(msg)
    before = book.ticket_of_holder(request.holder.text)
    if before and before.request.selector == request.selector:
        book.remember(request.key, before.id)
        return _answer(book, before.id, taker, now)
    if before:
        give_up(book, before.id, now, "replaced by another request")
    ticket = _open_ticket(book, request, now)
    book.remember(request.key, ticket.id)
    mine = [one for one in make_plan(book, now).grants if one.ticket.id == ticket.id]
    if not mine:
        return ticket
    lease = _set_aside(book, mine[0], now)
    return take(book, lease.id, taker, now) if taker else lease


def mirror(book: Book, queue: str, requests: Sequence[Request], now: datetime) -> None:
    """Make the tickets of a queue those of its tasks, in its order."""
    wanted = {one.holder.text for one in requests}
    by_holder = {one.request.holder.text: one for one in book.tickets.values()}
    leased = {one.request.holder.text for one in book.leases.values()}
    for holder, ticket in by_holder.items():
        if ticket.request.queue == queue and holder not in wanted:
            give_up(book, ticket.id, now, LEFT)
    for position, request in enumerate(requests):
        at = replace(request, queue=queue)
        ticket_ = by_holder.get(at.holder.text)
        if ticket_ is None:
            if at.holder.text not in leased:
                _open_ticket(book, at, now, position)
            continue
        is_set = ticket_.state is TicketState.GRANTED
        new = replace(
            ticket_,
            request=ticket_.request if is_set else replace(at, key=ticket_.request.key),
            queue_position=position,
        )
        if new != ticket_:
            book.put_ticket(new)
        if new.request.selector != ticket_.request.selector:
            book.say(EventKind.TICKET_CHANGED, now, new)


def decide(book: Book, now: datetime) -> tuple[Lease, ...]:
    """Set leases aside for those whose turn it is; give the new ones."""
    expire(book, now)
    decided = make_plan(book, now)
    leases = tuple(_set_aside(book, grant, now) for grant in decided.grants)
    for id_, target in decided.targets.items():
        ticket = book.tickets[id_]
        if ticket.state is TicketState.WAITING:
            changed = book.put_ticket(replace(ticket, target=target))
            text = f"{target} is kept for it" if target else "no node is kept for it"
            book.say(EventKind.TICKET_CHANGED, now, changed, text=text)
    return leases


def make_plan(book: Book, now: datetime) -> Plan:
    """Say who would be granted what, without changing anything."""
    waiting = [one for one in book.tickets.values() if one.lease is None]
    return plan(in_order(waiting, now), book.capacities(now))


def take(book: Book, lease_id: str, taker: str, now: datetime) -> Lease:
    """Give a lease that was set aside to who will start its holder."""
    check_taker(book, taker)
    lease = find_lease(book, lease_id)
    if lease.state is LeaseState.RELEASED:
        raise LeaseGone(_why_over(book, lease))
    if lease.state is not LeaseState.PENDING:
        if lease.taker == taker:
            return lease
        if _succeeds(book, taker, lease):
            taken = book.put_lease(replace(lease, taker=taker))
            text = f"{taker} takes over from {lease.taker}, which is dead"
            book.say(EventKind.LEASE_TAKEN_OVER, now, taken, text=text)
            return taken
        msg = f"Lease {lease.id} was taken by another process ({lease.taker})."
        raise LeaseGone(msg)
    taken = replace(
        lease, state=LeaseState.GRANTED, since=now, taker=taker, take_by=None
    )
    book.put_lease(taken)
    book.say(EventKind.LEASE_GRANTED, now, taken, text=f"taken by {taker}")
    if lease.ticket:
        close(book, book.tickets[lease.ticket], TAKEN, now)
    return taken


def give_up(book: Book, ticket_id: str, now: datetime, reason: str) -> Ticket:
    """Close a ticket, and give a lease back that was set aside for it."""
    ticket = book.ticket(ticket_id)
    if ticket is None:
        msg = f"There is no ticket {ticket_id}."
        raise NotFound(msg)
    if ticket.state is TicketState.CLOSED:
        return ticket
    if ticket.lease:
        give_back(book, book.leases[ticket.lease], reason, now)
    return close(book, ticket, reason, now)


def give_back(book: Book, lease: Lease, reason: str, now: datetime) -> None:
    """Release a lease that nobody took; its ticket is the caller's business."""
    proof = Proof(ProofKind.NEVER_STARTED, "ledger", reason)
    over = replace(
        lease,
        state=LeaseState.RELEASED,
        since=now,
        take_by=None,
        released_at=now,
        proof=proof,
        reason=reason,
    )
    book.put_lease(over)
    book.say(EventKind.LEASE_RELEASED, now, over, text=reason)


def put_back(book: Book, lease: Lease, reason: str, now: datetime) -> None:
    """Release a lease that nobody took, and let its ticket wait at its old place."""
    give_back(book, lease, reason, now)
    ticket = book.tickets.get(lease.ticket or "")
    if ticket:
        waiting = replace(ticket, state=TicketState.WAITING, lease=None)
        book.put_ticket(waiting)
        book.say(EventKind.TICKET_RETURNED, now, waiting, text=reason)


def return_turn(book: Book, lease: Lease, now: datetime) -> None:
    """Let a lab wait again at its old place, if its turn came and its hub died.

    `lease` is as it was before it was freed. The hub had taken it and started nothing:
    whoever waited would have to begin at the end of the line, and not know why. Only a
    request with options is returned: the board can start that lab by itself.
    """
    taker = book.epoch(lease.taker)
    was_cut_off = (
        not lease.was_activated
        and LeaseState.RELEASING not in {lease.state, lease.before}
        and taker is not None
        and taker.dead_at is not None
    )
    holder = lease.request.holder.text
    ticket = book.ticket(lease.ticket or "")
    if not was_cut_off or not lease.request.options or ticket is None:
        return
    if ticket.state is TicketState.CLOSED and book.ticket_of_holder(holder) is None:
        waiting = replace(
            ticket, state=TicketState.WAITING, lease=None, closed_at=None, reason=""
        )
        book.put_ticket(waiting)
        text = "the hub died that had taken its lease"
        book.say(EventKind.TICKET_RETURNED, now, waiting, text=text)


def expire(book: Book, now: datetime) -> None:
    """Give back what was set aside too long ago, and close its tickets."""
    for lease in list(book.leases.values()):
        if lease.state is not LeaseState.PENDING or lease.take_by is None:
            continue
        if lease.take_by <= now:
            give_back(book, lease, NOT_CLAIMED, now)
            if lease.ticket in book.tickets:
                close(book, book.tickets[lease.ticket or ""], NOT_CLAIMED, now)
        elif lease.take_by > now + TAKE_WITHIN:  # The clock went back.
            book.put_lease(replace(lease, take_by=now + TAKE_WITHIN))


def close(book: Book, ticket: Ticket, reason: str, now: datetime) -> Ticket:
    """Close a ticket; it keeps the name of its lease."""
    closed = replace(
        ticket, state=TicketState.CLOSED, closed_at=now, reason=reason, target=None
    )
    book.put_ticket(closed)
    book.say(EventKind.TICKET_CLOSED, now, closed, text=reason)
    return closed


def check_taker(book: Book, taker: str | None) -> None:
    """Refuse a process that is not registered or not the newest of its role.

    Raises:
        Conflict: it is not.
    """
    if taker is None:
        return
    epoch = book.epoch(taker)
    if epoch is None:
        msg = (
            f"The process {taker!r} is not registered as a taker of leases: it has to "
            f"tell its epoch once at its start (Ledger.epoch, POST /epochs)."
        )
        raise Conflict(msg)
    if epoch.dead_at is not None:
        msg = f"The process {taker!r} counts as dead: a newer {epoch.role} registered."
        raise Conflict(msg)


def find_lease(book: Book, id_: str) -> Lease:
    """Give a lease, open or not.

    Raises:
        NotFound: there never was one of that id.
    """
    lease = book.lease(id_)
    if lease is None:
        msg = f"There is no lease {id_}."
        raise NotFound(msg)
    return lease


def _answer(
    book: Book, ticket_id: str, taker: str | None, now: datetime
) -> Lease | Ticket:
    ticket = book.ticket(ticket_id)
    if ticket is None:
        msg = f"The key was used for something else than a request ({ticket_id!r})."
        raise Conflict(msg)
    if ticket.lease is None:
        return ticket
    lease = find_lease(book, ticket.lease)
    if lease.state is LeaseState.PENDING and taker:
        return take(book, lease.id, taker, now)
    return lease


def _check_satisfiable(book: Book, request: Request) -> None:
    selector = request.selector
    if selector.count < 1:
        msg = f"{request.holder} asks for {selector.count} devices: ask for 1 or more."
        raise Refused(msg)
    capacities = book.capacities(None)
    silent = [
        node
        for node in book.nodes.values()
        if node.declared and node.epoch is None
        if not selector.nodes or node.name in selector.nodes
    ]
    if not silent and not could_fit(selector, capacities):
        msg = (
            f"No node can ever serve {describe(selector)}. There is: "
            f"{inventory(capacities)}."
        )
        raise Refused(msg)


def _open_ticket(
    book: Book, request: Request, now: datetime, position: int | None = None
) -> Ticket:
    before = (
        book.history.last_ticket(request.holder.text) if position is not None else None
    )
    comes_back = (
        before is not None
        and before.reason in {TAKEN, LEFT}
        and before.closed_at is not None
        and abs(now - before.closed_at) <= COMES_BACK_WITHIN
        and _never_ran(book, before)
    )
    ticket = Ticket(
        id=book.new_id(),
        request=request,
        created_at=before.created_at if before and comes_back else now,
        state=TicketState.WAITING,
        queue_position=position,
        serial=before.serial if before and comes_back else book.next_serial(),
        overtaken=before.overtaken if before and comes_back else 0,
    )
    book.put_ticket(ticket)
    book.say(EventKind.TICKET_OPENED, now, ticket)
    return ticket


def _never_ran(book: Book, ticket: Ticket) -> bool:
    lease = book.lease(ticket.lease) if ticket.lease else None
    if lease is None:
        return True
    return lease.proof is not None and lease.proof.kind is ProofKind.NEVER_STARTED


def _set_aside(book: Book, grant: Grant, now: datetime) -> Lease:
    ticket = book.tickets[grant.ticket.id]
    lease = Lease(
        id=book.new_id(),
        request=ticket.request,
        node=grant.placement.node,
        devices=grant.placement.devices,
        state=LeaseState.PENDING,
        since=now,
        ticket=ticket.id,
        take_by=now + TAKE_WITHIN,
    )
    book.put_lease(lease)
    granted = replace(ticket, state=TicketState.GRANTED, lease=lease.id, target=None)
    book.put_ticket(granted)
    book.say(EventKind.LEASE_PENDING, now, lease)
    for id_ in grant.overtakes:
        passed = book.tickets[id_]
        book.put_ticket(replace(passed, overtaken=passed.overtaken + 1))
    return lease


def _succeeds(book: Book, taker: str, lease: Lease) -> bool:
    """Tell whether a process takes over from a dead one of its role."""
    before, after = book.epoch(lease.taker), book.epoch(taker)
    return bool(
        before and after and before.role == after.role and before.dead_at is not None
    )


def _why_over(book: Book, lease: Lease) -> str:
    if lease.proof and lease.proof.kind is ProofKind.NEVER_STARTED:
        return f"Lease {lease.id} was given back: {lease.reason}."
    return f"Lease {lease.id} is released."
