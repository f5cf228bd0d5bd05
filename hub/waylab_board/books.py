"""The ledger behind the board's event loop: one thread, one writer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from waylab_ledger.ledger import Ledger
from waylab_ledger.views import Place, Snapshot

T = TypeVar("T")
Work = Callable[[Ledger, datetime], T]
Observer = Callable[[str, float], None]

_VIEW_SECONDS = 1.0
_DEAR_SECONDS = 0.02


@dataclass(frozen=True)
class View:
    """What the ledger shows at one moment."""

    snapshot: Snapshot
    line: tuple[Place, ...]
    at: datetime


class Books:
    """Runs the ledger's calls in a thread of their own, so that the loop never waits.

    `changed` is set by every write: whoever decides or tells others waits for it.
    """

    def __init__(self, ledger: Ledger, observe: Observer) -> None:
        """`observe` hears the name and the seconds of every call."""
        self._ledger = ledger
        self._observe = observe
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._snapshot: Snapshot | None = None
        self._snapped_at = 0.0
        self._line: tuple[Place, ...] = ()
        self._lined: Snapshot | None = None
        self._lined_at = 0.0
        self._line_seconds = 0.0
        self._lock = asyncio.Lock()
        self._writes = 0
        self.changed = asyncio.Event()

    async def read(self, name: str, work: Work[T]) -> T:
        """Run a call that changes nothing."""
        return await self._run(name, work)

    async def write(self, name: str, work: Work[T], *, wakes: bool = True) -> T:
        """Run a call that changes something; `wakes` tells the others."""
        try:
            return await self._run(name, work)
        finally:
            self._writes += 1
            self._snapped_at = 0.0
            if wakes:
                self.changed.set()

    async def snapshot(self) -> Snapshot:
        """Give what is open now; at most a second old if nothing was written."""
        async with self._lock:
            return await self._fresh_snapshot()

    async def view(self) -> View:
        """Give what is open now, with the line.

        A long line is made anew once a second at most: its forecast takes a while.
        """
        async with self._lock:
            snapshot = await self._fresh_snapshot()
            age = time.monotonic() - self._lined_at
            dear = self._line_seconds > _DEAR_SECONDS and age < _VIEW_SECONDS
            if snapshot is not self._lined and not dear:
                begun = time.monotonic()
                self._line = await self._run("line", lambda it, now: it.line(now))
                self._lined, self._lined_at = snapshot, begun
                self._line_seconds = time.monotonic() - begun
            return View(snapshot, self._line, datetime.now(UTC))

    async def close(self) -> None:
        """Wait for what runs and end the thread."""
        await asyncio.to_thread(self._thread.shutdown)

    async def _fresh_snapshot(self) -> Snapshot:
        fresh = time.monotonic() - self._snapped_at < _VIEW_SECONDS
        if self._snapshot is None or not fresh:
            writes = self._writes
            self._snapshot = await self._run(
                "snapshot", lambda it, now: it.snapshot(now)
            )
            # What was written meanwhile may not be in it.
            same = writes == self._writes
            self._snapped_at = time.monotonic() if same else 0.0
        return self._snapshot

    async def _run(self, name: str, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        begun = time.perf_counter()
        try:
            return await loop.run_in_executor(
                self._thread, lambda: work(self._ledger, datetime.now(UTC))
            )
        finally:
            self._observe(name, time.perf_counter() - begun)
