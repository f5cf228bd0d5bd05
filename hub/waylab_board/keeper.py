"""What the board does by itself: it decides, and acts on the time that passes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from waylab_board.books import Books
from waylab_board.metrics import Metrics
from waylab_board.stream import Stream
from waylab_board.troubles import Troubles
from waylab_ledger.errors import LedgerError, StoreUnavailable
from waylab_ledger.ledger import Ledger
from waylab_ledger.values import Lease

_log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
ABOUT = "ledger"
OVER = "its time limit is over"


class Keeper:
    """Grants what can be granted after every change, and at least each second."""

    def __init__(
        self,
        books: Books,
        stream: Stream,
        metrics: Metrics,
        troubles: Troubles,
        granted: Callable[[], None],
    ) -> None:
        """`granted` is called when there are leases that wait to be taken."""
        self._books = books
        self._stream = stream
        self._metrics = metrics
        self._troubles = troubles
        self._granted = granted

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._books.changed.clear()
            try:
                await self.turn()
            except StoreUnavailable as error:
                self._troubles.begin(ABOUT, f"The ledger's database is away: {error}")
            except LedgerError:
                _log.exception("A turn of the ledger failed; it is tried again")
            else:
                self._troubles.end(ABOUT)
            try:
                await asyncio.wait_for(self._books.changed.wait(), TURN_SECONDS)
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """Sweep and decide once, and tell who looks at the board.

        Raises:
            LedgerError: the ledger could not do it.
        """
        new = await self._books.write("decide", self._decide, wakes=False)
        if new:
            for lease in new:
                _log.info(
                    "%s may have %s on %s",
                    lease.request.holder,
                    ", ".join(lease.devices),
                    lease.node,
                )
            self._granted()
        self._stream.tell((await self._books.snapshot()).version)

    def _decide(self, ledger: Ledger, now: datetime) -> tuple[Lease, ...]:
        for lease in ledger.sweep(now):
            _log.info("%s: %s", lease.request.holder, OVER)
            ledger.releasing(lease.id, OVER, now)
        new = ledger.decide(now)
        for lease in new:
            if lease.ticket is not None:
                ticket = ledger.ticket(lease.ticket)
                waited = (now - ticket.created_at).total_seconds()
                self._metrics.waited(lease.request, waited)
        return new
