"""A ledger that forgets everything with its process: for tests and measuring."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from waylab_ledger.book import Book, Changes, Epoch, State
from waylab_ledger.errors import Conflict
from waylab_ledger.values import Lease, Ticket
from waylab_ledger.views import Event, EventKind


class MemoryStore:
    """Keeps the ledger in dictionaries, under the constraints of the database."""

    def __init__(self) -> None:
        """Start empty."""
        self._state = State()
        self._leases: dict[str, Lease] = {}
        self._tickets: dict[str, Ticket] = {}
        self._last_tickets: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._holds: dict[str, str] = {}
        self._events: list[Event] = []

    @contextmanager
    def transaction(self, new_id: Callable[[], str]) -> Iterator[Book]:
        """Give a book; store its changes at the end."""
        book = Book(self._state.copy(), self, new_id)
        yield book
        if book.changes:
            book.state.version = book.version
            self._write(book.changes)
            self._state = book.state

    @contextmanager
    def reading(self) -> Iterator[Book]:
        """Give a book of what is stored now."""
        yield Book(self._state, self, str)

    def lease(self, id_: str) -> Lease | None:
        """Give any lease."""
        return self._leases.get(id_)

    def ticket(self, id_: str) -> Ticket | None:
        """Give any ticket."""
        return self._tickets.get(id_)

    def last_ticket(self, holder: str) -> Ticket | None:
        """Give the holder's newest ticket."""
        return self._tickets.get(self._last_tickets.get(holder, ""))

    def answered(self, key: str) -> str | None:
        """Give what was stored for a key."""
        return self._keys.get(key)

    def epoch(self, id_: str) -> Epoch | None:
        """Give nothing: all of them are in the state."""
        del id_
        return None

    def events(self, after: int, limit: int) -> tuple[Event, ...]:
        """Give events in order."""
        start = bisect.bisect_right(self._events, after, key=lambda one: one.number)
        return tuple(self._events[start : start + limit])

    def holdings(
        self, since: datetime, until: datetime
    ) -> list[tuple[Event, datetime | None]]:
        """Give grants that overlap a span, each with the time of its release."""
        ends = {
            one.lease: one.at
            for one in self._events
            if one.kind is EventKind.LEASE_RELEASED
        }
        found = (
            (one, ends.get(one.lease))
            for one in self._events
            if one.kind is EventKind.LEASE_GRANTED and one.at < until
        )
        return [(one, end) for one, end in found if end is None or end > since]

    def durations(self, limit: int) -> list[tuple[str, float]]:
        """Give holder kind and seconds of the leases that ended last."""
        ended = [
            (one.released_at, one.request.holder.kind.value, one.started_at)
            for one in self._leases.values()
            if one.released_at and one.started_at
        ]
        ended.sort(key=lambda one: one[0], reverse=True)
        return [
            (kind, (end - start).total_seconds()) for end, kind, start in ended[:limit]
        ]

    def audit(self, state: State) -> tuple[str, ...]:
        """Compare the holds, which are kept apart, with a state."""
        if self._holds == state.holds:
            return ()
        return (f"stored holds {self._holds} are not those of {state.holds}",)

    def close(self) -> None:
        """Do nothing."""

    def _write(self, changes: Changes) -> None:
        holds = dict(self._holds)
        for device in changes.freed:
            holds.pop(device, None)
        for device, lease in changes.held.items():
            if device in holds:
                msg = (
                    f"{device} is held by lease {holds[device]}, not free for {lease}."
                )
                raise Conflict(msg)
            holds[device] = lease
        self._holds = holds
        self._leases.update(changes.leases)
        self._tickets.update(changes.tickets)
        for ticket in changes.tickets.values():
            self._last_tickets[ticket.request.holder.text] = ticket.id
        self._keys.update(changes.keys)
        self._events += changes.events
