"""Server-sent events: who looks at the board hears of every new version."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

BEAT_SECONDS = 15.0
LONGEST_SECONDS = 600.0
"""A stream ends then and the browser comes again, with a sign-in that still holds."""


class Stream:
    """Tells any number of listeners of the newest version; slow ones skip some."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._version = 0
        self._news = asyncio.Event()
        self._closed = False

    def tell(self, version: int) -> None:
        """Say that there is a version; the same one again is no news."""
        if version != self._version:
            self._version = version
            self._wake()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    async def listen(self) -> AsyncIterator[bytes]:
        """Give events as bytes, the present version first."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + LONGEST_SECONDS
        told: int | None = None
        while not self._closed and loop.time() < ends:
            news = self._news
            if told != self._version:
                told = self._version
                data = json.dumps({"version": told})
                yield f"id: {told}\nevent: version\ndata: {data}\n\n".encode()
                continue
            try:
                await asyncio.wait_for(news.wait(), BEAT_SECONDS)
            except TimeoutError:
                yield b": still here\n\n"

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
