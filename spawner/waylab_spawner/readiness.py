"""Waiting until a lab answers.

JupyterHub's own waiting backs off by seconds; looking often here means that its first
look finds the lab.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from jupyterhub.utils import url_path_join

from waylab_spawner.order import Ended, Look

_PAUSE_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_SERVER_ERROR = 500


async def wait_until_ready(
    host: str, port: int, base_url: str, look: Callable[[], Awaitable[Look]]
) -> Ended | None:
    """Wait until the lab answers (None), or it is certain that it has ended.

    There is no bound: whoever calls sets one.
    """
    url = url_path_join(f"http://{host}:{port}", base_url, "api")
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        answering = asyncio.create_task(_until_answer(client, url))
        try:
            while not answering.done():
                seen = await look()
                if isinstance(seen, Ended):
                    return seen
                await asyncio.wait([answering], timeout=_LOOK_SECONDS)
        finally:
            answering.cancel()
    return None


async def _until_answer(client: httpx.AsyncClient, url: str) -> None:
    while True:
        try:
            response = await client.get(url)
        except httpx.TransportError:
            pass
        else:
            if response.status_code < _SERVER_ERROR:
                return
        await asyncio.sleep(_PAUSE_SECONDS)
