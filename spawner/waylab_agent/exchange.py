"""The node's talk with the board: what it sees, and what it is told to do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from waylab_agent.devices import Devices
from waylab_agent.journal import JobEntry
from waylab_agent.leases import LedgerGate
from waylab_agent.runtime import Sighting
from waylab_ledger.values import Found, Holder, NodeReport
from waylab_ledger.wire import Orders

logger = logging.getLogger(__name__)

STARTING = "starting"


class Exchange:
    """Reports to the board every few seconds, and brings its orders back."""

    def __init__(
        self,
        node: str,
        gate: LedgerGate,
        devices: Devices,
        sight: Callable[[], Sighting],
        every_seconds: float,
    ) -> None:
        """Nothing is sent before `turn`."""
        self._node = node
        self._gate = gate
        self._devices = devices
        self._sight = sight
        self._every = every_seconds
        self._due = float("-inf")
        self.is_whole = True
        """Whether the journal could be read as a whole: else no report is complete."""
        self.seen: tuple[Found, ...] = ()
        """What the last look showed."""

    def turn(self, jobs: Iterable[JobEntry], now: float) -> Orders | None:
        """Tell the board what it does not know; give its orders if a report was due.

        `jobs` are those that hold a lease; `now` is in seconds, monotonic.

        Raises:
            GateAway: the board does not answer; it is told later.
        """
        if now < self._due and not self._gate.has_news:
            return None
        self._gate.tell()
        began_at = datetime.now(UTC)
        seen = self._sight()
        self.seen = seen.found
        inventory = self._devices.now()
        report = NodeReport(
            node=self._node,
            epoch=self._gate.epoch,
            began_at=began_at,
            devices=inventory.devices,
            found=with_jobs(seen.found, jobs),
            complete=seen.complete and self.is_whole,
            engine_id=seen.engine_id,
            utilisation=dict(inventory.utilisation),
            trouble=" ".join(filter(None, (seen.trouble, inventory.trouble))),
            processes=seen.processes,
        )
        orders = self._gate.report(report)
        self._due = now + self._every
        return orders


def with_jobs(found: Iterable[Found], jobs: Iterable[JobEntry]) -> tuple[Found, ...]:
    """Add the jobs that are not seen: they are about to start, or just did.

    A lease of which the journal knows is in use, whatever the look shows.
    """
    seen = tuple(found)
    leases = {one.lease for one in seen}
    more = (
        Found(
            id=f"job-{entry.task_id}",
            lease=entry.grant.id,
            holder=str(Holder.job(entry.task_id)),
            devices=entry.grant.devices,
            state=STARTING,
        )
        for entry in jobs
        if entry.grant.id not in leases
    )
    return (*seen, *more)
