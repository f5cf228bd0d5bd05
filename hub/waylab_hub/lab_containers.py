"""The containers of labs that a full stop finds on engines, whoever started them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from waylab_engine import labels
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_hub.engines import NodeEngine
from waylab_ledger.values import HolderKind

_GRACE_SECONDS = 5
_AT_ONCE = 32


def end_containers(engines: Sequence[NodeEngine], site_id: str) -> tuple[str, ...]:
    """End and remove every lab of a site; gives a sentence for each that stays.

    Jobs belong to the nodes' agents and are left alone. Blocks for a stop's grace time
    and the engines' limits of time, however many there are.
    """
    found = [engine for engine in engines if engine.address is not None]
    if not found:
        return ()
    with ThreadPoolExecutor(len(found)) as pool:
        told = pool.map(lambda engine: _end_on(engine, site_id), found)
        return tuple(sentence for sentences in told for sentence in sentences)


def _end_on(node: NodeEngine, site_id: str) -> tuple[str, ...]:
    if node.address is None:
        return ()
    name = node.node.name
    with Engine(node.address) as engine:
        try:
            containers = [
                str(container["Id"])
                for container in engine.find(site_id)
                if labels.kind(container["Labels"]) is HolderKind.LAB
            ]
        except EngineError as error:
            return (f"Labs on {name} may go on: {error}",)

        def end(container: str) -> str:
            try:
                engine.stop(container, _GRACE_SECONDS)
                engine.remove(container, force=True)
            except EngineError as error:
                return f"The lab {container[:12]} on {name} does not end: {error}"
            return ""

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(filter(None, pool.map(end, containers)))
