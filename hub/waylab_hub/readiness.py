"""Whether each program really answers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx

from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_hub.engines import NodeEngine
from waylab_hub.ports import LOOPBACK, Ports
from waylab_hub.programs import (
    BOARD,
    HUB,
    PROXY,
    TRACKING,
    board_url,
    engine_program,
    hub_url,
    public_url,
    tracking_url,
)
from waylab_spawner.errors import TrackingError
from waylab_spawner.tracking import Tracking

Probe = Callable[[], Awaitable[bool]]

_OK = 200
_WORKER_PAUSE_SECONDS = 0.3


def probes(
    ports: Ports,
    *,
    client: httpx.AsyncClient,
    proxy_token: str,
    tracking: Tracking,
    agents: Mapping[str, str],
) -> dict[str, Probe]:
    """Give a question for each program that is true once it answers.

    `agents` gives the node of each agent by its program's name.
    """
    proxy = f"http://{LOOPBACK}:{ports.proxy_api}/api/routes"
    found: dict[str, Probe] = {
        PROXY: _answers(client, proxy, {"Authorization": f"token {proxy_token}"}),
        TRACKING: _answers(client, f"{tracking_url(ports)}/debug.ping"),
        # At its own door first: the proxy logs an error for each knock at a closed one.
        HUB: _both(
            _answers(client, f"{hub_url(ports)}/hub/health"),
            _answers(client, f"{public_url(ports)}/hub/health"),
        ),
        BOARD: _answers(client, f"{board_url(ports)}/health"),
    }
    for program, node in agents.items():
        found[program] = _Workers(tracking, f"{node}:")
    return found


def engine_probes(engines: Sequence[NodeEngine]) -> dict[str, Probe]:
    """Give the same for the engines of simulated nodes."""
    return {engine_program(one.node): _engine(one) for one in engines}


def _answers(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str] | None = None
) -> Probe:
    async def probe() -> bool:
        try:
            response = await client.get(url, headers=dict(headers or {}))
        except httpx.HTTPError:
            return False
        return response.status_code == _OK

    return probe


def _engine(engine: NodeEngine) -> Probe:
    async def probe() -> bool:
        if engine.address is None:
            return False
        with Engine(engine.address, timeout_seconds=2.0) as client:
            try:
                await client.call(client.info)
            except EngineError:
                return False
        return True

    return probe


def _both(first: Probe, second: Probe) -> Probe:
    async def probe() -> bool:
        return await first() and await second()

    return probe


class _Workers:
    """An agent answers by registering its workers."""

    def __init__(self, tracking: Tracking, prefix: str) -> None:
        self._tracking = tracking
        self._prefix = prefix
        self._next = 0.0

    async def __call__(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + _WORKER_PAUSE_SECONDS
        try:
            workers = await self._tracking.workers()
        except TrackingError:
            return False
        return any(worker.startswith(self._prefix) for worker in workers)
