"""What a node's engine runs for a site, for the report of its agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waylab_engine import labels
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_ledger.values import Found


@dataclass(frozen=True)
class Look:
    """What was seen.

    `complete` says that `found` is every container of the site, in whatever state,
    as one and the same engine (`engine_id`) told it. `trouble` says why it is not.
    """

    found: tuple[Found, ...] = ()
    complete: bool = False
    engine_id: str | None = None
    trouble: str = ""


def look(engine: Engine, site_id: str) -> Look:
    """Look at all of a site's containers. Never raises for what the engine does."""
    try:
        before = engine.info().id
        listed = engine.find(site_id)
        after = engine.info().id
    except EngineError as error:
        return Look(trouble=str(error))
    if before != after:
        return Look(trouble=f"The engine changed from {before} to {after}.")
    try:
        found = tuple(read(container) for container in listed)
    except (KeyError, TypeError, AttributeError):
        return Look(engine_id=after, trouble="The engine's list has gaps.")
    return Look(found, complete=True, engine_id=after)


def read(container: Mapping[str, Any]) -> Found:
    """Read one entry of the engine's list.

    Raises:
        KeyError, TypeError, AttributeError: the entry has gaps.
    """
    own = container["Labels"]
    return Found(
        id=str(container["Id"]),
        lease=own.get(labels.LEASE, ""),
        holder=own.get(labels.HOLDER, ""),
        devices=labels.devices(own),
        state=str(container["State"]),
    )
