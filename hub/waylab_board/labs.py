"""Labs whose turn has come are started, and those whose time is over are ended.

Both are the hub's to do; the board asks it over REST, and asks again until the ledger
says that it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from typing import Any

from waylab_board.books import Books
from waylab_board.errors import HubAway, HubRefuses
from waylab_board.hub import Hub
from waylab_board.troubles import Troubles
from waylab_ledger.errors import LedgerError
from waylab_ledger.values import HolderKind, Lease, LeaseState

_log = logging.getLogger(__name__)
_TURN_SECONDS = 1.0
_AGAIN_SECONDS = 5.0
ABOUT = "hub"


class Labs:
    """Asks the hub to start and to stop labs."""

    def __init__(self, books: Books, hub: Hub, troubles: Troubles) -> None:
        """Nothing is asked before `run`."""
        self._books = books
        self._hub = hub
        self._troubles = troubles
        self._wake = asyncio.Event()
        self._asked: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._refusals: dict[str, str] = {}

    def wake(self) -> None:
        """Look at once: something was granted, or is to end."""
        self._wake.set()

    def refusal(self, lease: str | None) -> str:
        """Say why the hub did not start the lab of a lease, empty if it did."""
        return self._refusals.get(lease or "", "")

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._wake.clear()
                try:
                    await self.turn()
                except LedgerError as error:
                    _log.warning("Labs are not looked at: %s", error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _TURN_SECONDS)
        finally:
            for task in self._asking.values():
                task.cancel()

    async def turn(self) -> None:
        """Ask for what is due, each in a task of its own: the hub may be slow.

        Raises:
            LedgerError: the ledger could not be read.
        """
        snapshot = await self._books.snapshot()
        due = [lease for lease in snapshot.leases if _is_due(lease)]
        ids = {lease.id for lease in due}
        self._asked = {id_: at for id_, at in self._asked.items() if id_ in ids}
        self._refusals = {k: why for k, why in self._refusals.items() if k in ids}
        if not due:
            self._troubles.end(ABOUT)
        self._asking = {k: task for k, task in self._asking.items() if not task.done()}
        for lease in due:
            if self._may_ask(lease):
                self._asking[lease.id] = asyncio.create_task(self._ask(lease))

    def _may_ask(self, lease: Lease) -> bool:
        last = self._asked.get(lease.id)
        waited = last is None or time.monotonic() - last >= _AGAIN_SECONDS
        return waited and lease.id not in self._asking

    async def _ask(self, lease: Lease) -> None:
        self._asked[lease.id] = time.monotonic()
        user, server = lab_of(lease)
        try:
            if lease.state is LeaseState.PENDING:
                options = {**_options(lease), "lease": lease.id}
                await self._hub.start_lab(user, server, options)
                _log.info("The lab %s is started with lease %s", user, lease.id)
            elif await self._still_runs(lease):
                await self._hub.stop_lab(user, server)
        except HubAway as error:
            self._troubles.begin(ABOUT, f"Labs are neither started nor ended: {error}.")
            return
        except HubRefuses as error:
            if self._refusals.get(lease.id) != str(error):
                _log.warning("The hub refuses for %s: %s", lease.request.holder, error)
            self._refusals[lease.id] = str(error)
        else:
            self._refusals.pop(lease.id, None)
        self._troubles.end(ABOUT)

    async def _still_runs(self, lease: Lease) -> bool:
        """Tell whether the hub has the lab of this very lease, and does not end it.

        One that began after the end was asked for is another lab of the same name.
        """
        lab = await self._hub.lab(*lab_of(lease))
        if lab is None or lab.pending == "stop":
            return False
        return lab.started_at is None or lab.started_at <= lease.since


def lab_of(lease: Lease) -> tuple[str, str]:
    """Give user and server of a lab's lease."""
    user, _, server = lease.request.holder.text.removeprefix("lab:").partition("/")
    return user, server


def _is_due(lease: Lease) -> bool:
    """Tell whether the hub has something to do for it."""
    if lease.request.holder.kind is not HolderKind.LAB:
        return False
    return lease.state in {LeaseState.PENDING, LeaseState.RELEASING}


def _options(lease: Lease) -> dict[str, Any]:
    try:
        options = json.loads(lease.request.options or "{}")
    except ValueError:
        return {}
    return options if isinstance(options, dict) else {}
