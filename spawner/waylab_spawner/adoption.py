"""Labs that a hub before this one started: finding them, and waiting for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jupyterhub.utils import url_path_join

from waylab_ledger.values import Proof, ProofKind
from waylab_spawner.errors import PlaceError
from waylab_spawner.offers import NodePlace, PlaceKind
from waylab_spawner.order import Ended, Look, Running, Unknown
from waylab_spawner.place import Lab
from waylab_spawner.readiness import wait_until_ready

_log = logging.getLogger(__name__)

SILENT_SECONDS = 600.0
"""How long a lab that runs may stay silent after a restart of the hub."""
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Adopted:
    """What was found; no lab if there is none, or nobody can tell."""

    seen: Look
    lab: Lab | None = None
    place: NodePlace | None = None
    lease: str = ""


async def find(
    places: Sequence[NodePlace], make: Callable[[NodePlace], Lab]
) -> Adopted:
    """Look on every node for a lab that no state tells of.

    One that runs is preferred; what was made and never started is ended at once.
    """
    engines = [place for place in places if place.kind is not PlaceKind.PROCESS]
    looks = await asyncio.gather(*(_find(place, make(place)) for place in engines))
    for wanted in (Running, Unknown, Ended):
        for look in looks:
            if isinstance(look.seen, wanted) and (
                look.lab is not None or wanted is Unknown
            ):
                return look
    for place in places:
        if place.kind is PlaceKind.PROCESS:
            # Its processes, if there are any, are ended by their mark.
            return Adopted(_nothing("no state tells of it"), make(place), place)
    return Adopted(_nothing("no engine knows of it"))


async def wait_for_answer(lab: Lab, known: str, base_url: str) -> str:
    """Give a lab's address once it answers, or has certainly ended.

    A node out of sight is waited for without an end: the lab may well live. A lab that
    is seen to run and stays silent is waited for ten minutes.
    """
    deadline = time.monotonic() + SILENT_SECONDS
    while True:
        seen = await lab.look()
        if isinstance(seen, Ended):
            return known
        if isinstance(seen, Unknown):
            deadline = time.monotonic() + SILENT_SECONDS
            _log.warning("A lab is out of sight after a restart: %s.", seen.reason)
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        try:
            where = await lab.address()
        except PlaceError:
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        url = known
        if where is not None:
            url = url_path_join(f"http://{where[0]}:{where[1]}", base_url)
        host, port = where or _split(known)
        try:
            async with asyncio.timeout(_PAUSE_SECONDS * 5):
                await wait_until_ready(host, port, base_url, lab.look)
        except TimeoutError:
            if time.monotonic() < deadline:
                continue
        return url


async def _find(place: NodePlace, lab: Lab) -> Adopted:
    try:
        lease = await lab.find()
    except PlaceError as error:
        return Adopted(Unknown(str(error)))
    if lease is None:
        return Adopted(_nothing(f"{place.node} knows of none"))
    seen = await lab.look()
    if isinstance(seen, Unknown):
        seen = await lab.end(0.0)
    return Adopted(seen, lab, place, lease)


def _nothing(detail: str) -> Ended:
    return Ended(Proof(ProofKind.NEVER_STARTED, "hub", detail), 0, detail)


def _split(url: str) -> tuple[str, int]:
    host, _, port = url.split("/")[2].rpartition(":")
    return host, int(port)
