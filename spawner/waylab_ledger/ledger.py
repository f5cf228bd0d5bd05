"""The ledger: what the board calls. Each method is one transaction."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from waylab_ledger import granting, holding, watching
from waylab_ledger.audit import violations
from waylab_ledger.book import Book, Store
from waylab_ledger.database import DatabaseStore
from waylab_ledger.errors import NotFound
from waylab_ledger.forecast import Habits, places
from waylab_ledger.line import in_order
from waylab_ledger.memory import MemoryStore
from waylab_ledger.showing import snapshot
from waylab_ledger.values import Lease, NodeReport, Proof, Request, Ticket
from waylab_ledger.views import Event, NodePlan, Place, ReportOutcome, Snapshot

PAST_LEASES = 200
"""So many of the leases that ended last tell how long holders usually take."""


class Ledger:
    """Who holds which device, and who waits for one.

    Safe to use from several threads. `now` is always passed in, aware and in UTC, and
    may go back: no hold is shortened or lost by that. Every change leaves events.
    """

    def __init__(self, store: Store, new_id: Callable[[], str] | None = None) -> None:
        """Work on a store; `new_id` makes the ids of leases and tickets."""
        self._store = store
        self._new_id = new_id or _random_id
        self._lock = threading.RLock()

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Open `sqlite:////path`, `postgresql+psycopg://…` or `memory://`.

        The schema is brought up to date.

        Raises:
            StoreUnavailable: the database cannot be opened.
        """
        return cls(MemoryStore() if url == "memory://" else DatabaseStore(url))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def declare(self, nodes: Sequence[NodePlan], now: datetime) -> None:
        """Say which nodes the site has; others stay while they hold something."""
        with self._book() as book:
            watching.declare(book, nodes, now)

    def submit(
        self, request: Request, now: datetime, taker: str | None = None
    ) -> Lease | Ticket:
        """Give a lease if the line lets the request have one now, else a ticket.

        With `taker` the lease is granted to it, else it is set aside for 10 minutes.
        A key that was used before gets what became of the first request.

        Raises:
            Refused: no node could ever serve it.
            Conflict: its holder still has a lease, or the taker is not registered.
        """
        with self._book() as book:
            return granting.submit(book, request, now, taker)

    def mirror(self, queue: str, requests: Sequence[Request], now: datetime) -> None:
        """Say what is in a ClearML queue, all of it and in its order."""
        with self._book() as book:
            granting.mirror(book, queue, requests, now)

    def decide(self, now: datetime) -> tuple[Lease, ...]:
        """Set leases aside for those whose turn it is; give the new ones."""
        with self._book() as book:
            return granting.decide(book, now)

    def take(self, lease_id: str, taker: str, now: datetime) -> Lease:
        """Give a lease that was set aside to the process that will start its holder.

        A process may take over what a dead one of its role took.

        Raises:
            LeaseGone: it is over, or another process has it.
            NotFound: there never was such a lease.
            Conflict: the taker is not registered, or dead.
        """
        with self._book() as book:
            return granting.take(book, lease_id, taker, now)

    def activate(
        self,
        lease_id: str,
        now: datetime,
        engine_id: str | None = None,
        found: str | None = None,
    ) -> Lease:
        """Say that the holder runs: on which engine, and as which container.

        Raises:
            LeaseGone: it is released; what was started has to be stopped.
            Conflict: it was not taken.
        """
        with self._book() as book:
            return holding.activate(book, lease_id, now, engine_id, found)

    def releasing(self, lease_id: str, reason: str, now: datetime) -> Lease:
        """Say that the holder's end was asked for; a lease not taken is given back."""
        with self._book() as book:
            return holding.releasing(book, lease_id, reason, now)

    def release(self, lease_id: str, proof: Proof, now: datetime) -> Lease:
        """Free the devices on a proof; a released lease stays as it is.

        Whether somebody may declare a node `FENCED` is the caller's to check.

        Raises:
            Conflict: the proof does not prove that this holder is gone.
            NotFound: there never was such a lease.
        """
        with self._book() as book:
            return holding.release(book, lease_id, proof, now)

    def lose(self, lease_id: str, reason: str, now: datetime) -> Lease:
        """Say that nobody can tell whether the holder runs; its devices stay held.

        Said of a lease that was never active, it means too that its taker starts
        nothing any more.
        """
        with self._book() as book:
            return holding.lose(book, lease_id, reason, now)

    def give_up(
        self, ticket_id: str, now: datetime, reason: str = "given up"
    ) -> Ticket:
        """Close a ticket, and give back what is set aside for it.

        Raises:
            NotFound: there never was such a ticket.
        """
        with self._book() as book:
            return granting.give_up(book, ticket_id, now, reason)

    def report(self, report: NodeReport, now: datetime) -> ReportOutcome:
        """Reconcile with what a node's agent sees.

        Raises:
            NotFound: the site has no such node.
            Conflict: a newer agent registered for it, or it reports another's device.
        """
        with self._book() as book:
            orphans = watching.report(book, report, now)
            version = book.version if book.changes else book.state.version
        return ReportOutcome(orphans, version)

    def epoch(self, role: str, epoch: str, now: datetime) -> None:
        """Say that a process takes leases as `hub` or `agent:<node>` from now on.

        Any earlier one of the role is dead.

        Raises:
            Conflict: this one is dead itself.
        """
        with self._book() as book:
            watching.register(book, role, epoch, now)

    def sweep(self, now: datetime) -> tuple[Lease, ...]:
        """Act on the time that has passed; give active leases over their limit."""
        with self._book() as book:
            return watching.sweep(book, now)

    def drain(self, node: str, on: bool, by: str, now: datetime) -> None:
        """Let a node take no new leases (`on`), or let it again.

        Raises:
            NotFound: the site has no such node.
        """
        with self._book() as book:
            watching.drain(book, node, by, now, on=on)

    def fence(self, node: str, by: str, now: datetime, key: str | None = None) -> None:
        """Free all of a node's devices: `by` vouches that nothing runs there.

        A fence that is sent twice with the same `key` is done once.

        Raises:
            NotFound: the site has no such node.
        """
        with self._book() as book:
            if key is not None:
                if book.answered(f"fence:{key}") is not None:
                    return
                book.remember(f"fence:{key}", "")
            watching.fence(book, node, by, now)

    def lease(self, lease_id: str) -> Lease:
        """Give a lease, released or not.

        Raises:
            NotFound: there never was one of that id.
        """
        with self._reading() as book:
            return granting.find_lease(book, lease_id)

    def ticket(self, ticket_id: str) -> Ticket:
        """Give a ticket, closed or not.

        Raises:
            NotFound: there never was one of that id.
        """
        with self._reading() as book:
            found = book.ticket(ticket_id)
        if found is None:
            msg = f"There is no ticket {ticket_id}."
            raise NotFound(msg)
        return found

    def snapshot(self, now: datetime) -> Snapshot:
        """Give all that is open, at one moment."""
        with self._reading() as book:
            return snapshot(book.state, now)

    def line(self, now: datetime) -> tuple[Place, ...]:
        """Give the places of the waiting tickets, the next one first."""
        with self._reading() as book:
            waiting = [one for one in book.tickets.values() if one.lease is None]
            leases = list(book.leases.values())
            capacities, everything = book.capacities(now), book.capacities(None)
        if not waiting:
            return ()
        habits = Habits.of(self._store.durations(PAST_LEASES))
        line = in_order(waiting, now)
        return places(line, leases, capacities, habits, now, everything=everything)

    def events(self, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Give events of numbers above `after`, the oldest first."""
        return self._store.events(after, limit)

    def usage(
        self,
        since: datetime,
        until: datetime,
        by: Literal["user", "group", "project", "node"],
    ) -> dict[str, float]:
        """Give GPU-seconds held between two times, from the event rows alone.

        A hold counts from its taking to its release, up to `until` where it goes on;
        a MIG slice counts as its share of a GPU. A user in several groups counts
        fully in each.
        """
        found: dict[str, float] = defaultdict(float)
        for event, end in self._store.holdings(since, until):
            seconds = (min(end or until, until) - max(event.at, since)).total_seconds()
            if seconds <= 0 or event.gpus <= 0:
                continue
            names: tuple[str | None, ...] = {
                "user": (event.user,),
                "group": event.groups,
                "project": (event.project,),
                "node": (event.node,),
            }[by]
            for name in names:
                found[name or ""] += seconds * event.gpus
        return dict(found)

    def check(self, *, stored: bool = True) -> tuple[str, ...]:
        """Say every violation of what must always be true; nothing if all is well.

        With `stored` every open row is read anew and compared with what is in memory.
        """
        with self._lock:
            with self._reading() as book:
                state = book.state
                found = violations(book)
            return (*found, *self._store.audit(state)) if stored else found

    @contextmanager
    def _reading(self) -> Iterator[Book]:
        with self._lock, self._store.reading() as book:
            yield book

    @contextmanager
    def _book(self) -> Iterator[Book]:
        with self._lock, self._store.transaction(self._new_id) as book:
            yield book


def _random_id() -> str:
    return secrets.token_hex(8)
