"""How each node runs labs and jobs: by which container engine, or as processes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from waylab_engine.address import LOCAL_SOCKET, EngineAddress
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_hub.errors import StartError
from waylab_hub.ports import LOOPBACK
from waylab_rig.places import Places
from waylab_rig.requirements import requirements
from waylab_site.inventory import Inventory, job_devices
from waylab_site.model import HUB_NODE, Node, Site
from waylab_spawner.offers import NodePlace, PlaceKind

_ASK_SECONDS = 3.0
_OWN_ENGINE = EngineAddress(LOCAL_SOCKET)
_SIMULATED_NET = 172 << 24 | 29 << 16


@dataclass(frozen=True)
class NodeEngine:
    """A node's engine; `address` is None where labs and jobs are processes.

    `why` says in a sentence how it came to that. `environment` lets programs on this
    machine see a simulated node's GPUs.
    """

    node: Node
    address: EngineAddress | None
    why: str
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()
    """Where a simulated node keeps its engine's data."""


def engines_of(site: Site, folder: Path) -> tuple[NodeEngine, ...]:
    """Find out how each node runs labs and jobs; asks this machine's engine.

    `folder` is where simulated nodes keep their state.

    Raises:
        StartError: a simulated node cannot run here; the text says what is missing.
    """
    return tuple(_engine_of(node, site, folder) for node in site.nodes)


def places_of(
    engines: Sequence[NodeEngine], inventory: Inventory
) -> tuple[NodePlace, ...]:
    """Give the nodes that run labs, as the spawner wants to know them.

    `inventory` is what the hub's machine has, for labs that are processes there.

    The hub's machine runs labs without a GPU also where it is none of the nodes.
    """
    places = [_place(engine) for engine in engines if engine.address is not None]
    local = next((engine.node for engine in engines if engine.node.is_local), None)
    if not places or (local and not any(place.node == local.name for place in places)):
        gpus = local is not None and bool(job_devices(local, inventory))
        places.append(NodePlace(node=local.name if local else HUB_NODE, gpus=gpus))
    return tuple(places)


def _place(engine: NodeEngine) -> NodePlace:
    address = _known(engine)
    tls = address.tls_folder
    return NodePlace(
        node=engine.node.name,
        kind=PlaceKind.ENGINE,
        engine_url=address.url,
        engine_tls=str(tls) if tls else None,
        host=address.host,
        simulated=engine.node.is_simulated,
    )


def internal_address(site: Site, engines: Sequence[NodeEngine], site_id: str) -> str:
    """Give the address at which containers reach hub, board and tracking.

    Raises:
        StartError: it cannot be found out; the site has to say it.
    """
    if isinstance(site.site.internal_address, IPv4Address):
        return str(site.site.internal_address)
    used = [engine for engine in engines if engine.address is not None]
    if not used:
        return LOOPBACK
    if any(engine.node.is_simulated for engine in used):
        # One address for the engines of all simulated nodes, a site's own.
        return str(IPv4Address(_SIMULATED_NET + (int(site_id[:4], 16) | 1)))
    local = next((engine for engine in used if engine.node.is_local), None)
    if local is None or len(used) > 1:
        msg = (
            "Containers on other machines need an address to reach this one: say "
            'internal_address = "…" under [site] in waylab.toml, with this machine\'s '
            "address in the nodes' network."
        )
        raise StartError(msg)
    with Engine(_known(local), timeout_seconds=_ASK_SECONDS) as engine:
        try:
            return engine.gateway()
        except EngineError as error:
            msg = f"The container engine does not tell its address: {error}"
            raise StartError(msg) from error


def hold_address(address: str) -> None:
    """Have an address of simulated nodes on this machine. Idempotent.

    Raises:
        StartError: the machine does not give it.
    """
    done = _ip("addr", "replace", f"{address}/32", "dev", "lo")
    if done.returncode != 0:
        msg = f"The address {address} cannot be had for simulated nodes: {done.stderr}"
        raise StartError(msg)


def drop_address(address: str) -> None:
    """Give back what `hold_address` took. Idempotent."""
    _ip("addr", "del", f"{address}/32", "dev", "lo")


def _engine_of(node: Node, site: Site, folder: Path) -> NodeEngine:
    if node.is_simulated:
        missing = requirements()
        if missing is not None:
            msg = f"The node {node.name} is simulated. {missing}"
            raise StartError(msg)
        places = Places(folder / node.name)
        why = "containers of an engine with simulated GPUs"
        return NodeEngine(node, places.address, why, places.environment, places.folder)
    if node.engine == "none":
        return NodeEngine(node, None, "processes, as the site says")
    if node.engine != "auto":
        host = LOOPBACK if node.is_local else node.address
        tls = Path(node.engine_tls) if node.engine_tls else None
        address = EngineAddress(node.engine, host, tls)
        return NodeEngine(node, address, f"containers of {node.engine}")
    if not node.is_local:
        return NodeEngine(node, None, "no labs, as the site names no engine for it")
    return machines_own(node, site)


def machines_own(
    node: Node, site: Site, address: EngineAddress = _OWN_ENGINE
) -> NodeEngine:
    """Use the engine of this machine if it answers and has an image for labs."""
    images = [
        image
        for image in site.images
        if image.nodes == "all" or node.name in image.nodes
    ]
    if not images:
        return NodeEngine(node, None, "processes, as the site has no image for it")
    socket = address.url.removeprefix("unix://")
    if socket.startswith("/") and not Path(socket).exists():
        why = f"processes, as there is no container engine here (no {socket})"
        return NodeEngine(node, None, why)
    with Engine(address, timeout_seconds=_ASK_SECONDS) as engine:
        try:
            engine.info()
            there = [i.reference for i in images if engine.has_image(i.reference)]
        except EngineError as error:
            told = str(error).rstrip(".")
            return NodeEngine(node, None, f"processes, as things are: {told}")
    if not there:
        names = ", ".join(image.reference for image in images)
        why = f"processes, as the container engine has none of the images {names}"
        return NodeEngine(node, None, why)
    why = f"containers of this machine's engine, which has {', '.join(there)}"
    return NodeEngine(node, address, why)


def _known(engine: NodeEngine) -> EngineAddress:
    return engine.address or _OWN_ENGINE


def _ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - built here.
        ["/sbin/ip", *words], capture_output=True, text=True, check=False, timeout=10
    )
