"""The steps of a start, told to whoever watches the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Steps:
    """Steps that were told, in order; any number may watch, also from later on."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._told: list[dict[str, object]] = []
        self._changed = asyncio.Event()
        self._percent = 0

    def tell(self, percent: int, message: str) -> None:
        """Tell a step; the bar never goes back, and nothing is told twice in a row."""
        self._percent = max(self._percent, min(percent, 99))
        step: dict[str, object] = {"progress": self._percent, "message": message}
        if self._told and self._told[-1] == step:
            return
        self._told.append(step)
        self._changed.set()
        self._changed = asyncio.Event()

    async def watch(self) -> AsyncIterator[dict[str, object]]:
        """Give every step, those of the past first; never ends by itself."""
        seen = 0
        while True:
            changed = self._changed
            while seen < len(self._told):
                yield dict(self._told[seen])
                seen += 1
            await changed.wait()
