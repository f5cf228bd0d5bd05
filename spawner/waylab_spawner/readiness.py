"""Waiting until a lab answers.

JupyterHub's own waiting backs off by seconds; looking often here means that its first
look finds the lab. What takes long is asked about less often: when twenty labs start at
once, each of them takes long, and the hub has others to serve.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
from jupyterhub.utils import url_path_join

from waylab_spawner.certificates import none_needed
from waylab_spawner.order import Ended, Look

_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 0.5
_SHARE_OF_THE_WAIT = 0.05
_LOOK_SECONDS = 1.0
_SERVER_ERROR = 500


async def wait_until_ready(
    host: str, port: int, base_url: str, look: Callable[[], Awaitable[Look]]
) -> Ended | None:
    """Wait until the lab answers (None), or it is certain that it has ended.

    There is no bound: whoever calls sets one.
    """
    url = url_path_join(f"http://{host}:{port}", base_url, "api")
    async with httpx.AsyncClient(
        timeout=5.0, trust_env=False, verify=none_needed()
    ) as client:
        answering = asyncio.create_task(_until_answer(client, url))
        try:
            while not answering.done():
                await asyncio.wait([answering], timeout=_LOOK_SECONDS)
                if not answering.done() and isinstance(seen := await look(), Ended):
                    return seen
            answering.result()
        finally:
            answering.cancel()
    return None


async def _until_answer(client: httpx.AsyncClient, url: str) -> None:
    began = time.monotonic()
    while True:
        try:
            response = await client.get(url)
        except httpx.TransportError:
            pass
        else:
            if response.status_code < _SERVER_ERROR:
                return
        pause = _SHARE_OF_THE_WAIT * (time.monotonic() - began)
        await asyncio.sleep(min(max(_PAUSE_SECONDS, pause), _LONGEST_PAUSE_SECONDS))
