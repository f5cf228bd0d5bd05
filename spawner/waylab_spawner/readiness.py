"""Waiting until a lab answers.

JupyterHub's own waiting backs off by seconds; looking often here means that its first
look finds the lab. What takes long is asked about less often: when twenty labs start at
once, each of them takes long, and the hub has others to serve.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from jupyterhub.utils import url_path_join

from waylab_spawner.order import Ended, Look

_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 0.5
_SHARE_OF_THE_WAIT = 0.05
_LOOK_SECONDS = 1.0
_LOOK_SHARE_OF_THE_WAIT = 0.15
_ANSWER_SECONDS = 5.0
_SERVER_ERROR = 500


async def wait_until_ready(
    host: str, port: int, base_url: str, look: Callable[[], Awaitable[Look]]
) -> Ended | None:
    """Wait until the lab answers (None), or it is certain that it has ended.

    There is no bound: whoever calls sets one.
    """
    path = url_path_join(base_url, "api")
    began = time.monotonic()
    answering = asyncio.create_task(_until_answer(host, port, path))
    try:
        while not answering.done():
            waited = time.monotonic() - began
            pause = max(_LOOK_SECONDS, _LOOK_SHARE_OF_THE_WAIT * waited)
            await asyncio.wait([answering], timeout=pause)
            if not answering.done() and isinstance(seen := await look(), Ended):
                return seen
        answering.result()
    finally:
        answering.cancel()
    return None


async def _until_answer(host: str, port: int, path: str) -> None:
    began = time.monotonic()
    while True:
        status = await _status(host, port, path)
        if status is not None and status < _SERVER_ERROR:
            return
        pause = _SHARE_OF_THE_WAIT * (time.monotonic() - began)
        await asyncio.sleep(min(max(_PAUSE_SECONDS, pause), _LONGEST_PAUSE_SECONDS))


async def _status(host: str, port: int, path: str) -> int | None:
    """Give the status of an answer to a GET, None if there is none.

    Only the first line is of interest, and most answers are a refusal: a client of a
    library would spend ten times as much of the hub's loop on each.
    """
    with contextlib.suppress(OSError, ValueError, IndexError, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                ask = (
                    f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                )
                writer.write(ask.encode("ascii"))
                return int((await reader.readline()).split()[1])
            finally:
                writer.close()
    return None
