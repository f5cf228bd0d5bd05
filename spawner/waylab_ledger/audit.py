"""What must be true of the ledger at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from waylab_ledger.book import Book
from waylab_ledger.line import MOST_OVERTAKINGS
from waylab_ledger.values import LeaseState, TicketState


def violations(book: Book) -> tuple[str, ...]:
    """Say everything that is not as it must be."""
    return (*_of_holds(book), *_of_leases(book), *_of_tickets(book))


def _of_holds(book: Book) -> Iterator[str]:
    for device, id_ in book.state.holds.items():
        lease = book.leases.get(id_)
        if lease is None:
            yield f"{device} is held by lease {id_}, which is not open"
        elif device not in lease.devices:
            yield f"{device} is held by lease {id_}, which does not name it"
    named = Counter(
        device for lease in book.leases.values() for device in lease.devices
    )
    for device, count in named.items():
        if count > 1:
            yield f"{device} is named by {count} open leases"


def _of_leases(book: Book) -> Iterator[str]:
    for lease in book.leases.values():
        name = f"lease {lease.id} of {lease.request.holder}"
        for device in lease.devices:
            if book.state.holds.get(device) != lease.id:
                yield f"{name} names {device} and does not hold it"
        if lease.state is LeaseState.PENDING:
            ticket = book.tickets.get(lease.ticket or "")
            if ticket is None or ticket.lease != lease.id:
                yield f"{name} is set aside for no ticket"
            if lease.take_by is None:
                yield f"{name} is set aside for ever"
        elif lease.taker is None:
            yield f"{name} is {lease.state} without a taker"
        if lease.was_activated != (lease.started_at is not None):
            yield f"{name} is {lease.state} and never started"
        if lease.node not in book.nodes:
            yield f"{name} is on {lease.node}, which the ledger does not know"
    holders = Counter(one.request.holder.text for one in book.leases.values())
    for holder, count in holders.items():
        if count > 1:
            yield f"{holder} has {count} leases"


def _of_tickets(book: Book) -> Iterator[str]:
    for ticket in book.tickets.values():
        name = f"ticket {ticket.id} of {ticket.request.holder}"
        lease = book.leases.get(ticket.lease or "")
        if ticket.state is TicketState.WAITING and ticket.lease is not None:
            yield f"{name} waits and has lease {ticket.lease}"
        if ticket.state is TicketState.GRANTED and (
            lease is None or lease.state is not LeaseState.PENDING
        ):
            yield f"{name} is granted, but nothing is set aside for it"
        if ticket.overtaken > MOST_OVERTAKINGS:
            yield f"{name} was overtaken {ticket.overtaken} times"
    holders = Counter(one.request.holder.text for one in book.tickets.values())
    for holder, count in holders.items():
        if count > 1:
            yield f"{holder} has {count} tickets"
