"""By which container engine of its own a node runs its jobs."""

from __future__ import annotations

from pathlib import Path

from waylab_agent.errors import SettingsError
from waylab_agent.settings import PREFIX, AgentSettings
from waylab_engine.address import LOCAL_SOCKET, EngineAddress
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_site.model import Node, Site

_UNIX = "unix://"
_ASK_SECONDS = 5.0


def own_engine(site: Site, name: str) -> str | None:
    """Give the address at which a node reaches its engine; None: jobs are processes.

    An address in the site is the hub's way to it; on the node itself that is a socket,
    the usual one unless the site names another. Where the site leaves it open, the
    usual one is used if it is there and the site has an image for it.
    """
    node = _node(site, name)
    if node is None or node.engine == "none":
        return None
    if node.engine.startswith(_UNIX):
        return node.engine
    if node.names_engine:
        return LOCAL_SOCKET
    has_image = any(one.nodes == "all" or name in one.nodes for one in site.images)
    is_there = Path(LOCAL_SOCKET.removeprefix(_UNIX)).exists()
    return LOCAL_SOCKET if has_image and is_there else None


def check_named(settings: AgentSettings, site: Site | None) -> None:
    """Refuse to run jobs as processes where the site says that they are containers.

    Raises:
        SettingsError: no engine is set; the text says what to do.
    """
    node = _node(site, settings.node) if site is not None else None
    if settings.engine is not None or node is None or not node.names_engine:
        return
    msg = (
        f"The site runs labs and jobs of {node.name} in containers (engine = "
        f"{node.engine!r}), and {PREFIX}ENGINE is not set: set it to the engine's "
        f"address on this machine, as {LOCAL_SOCKET}, or join again."
    )
    raise SettingsError(msg)


def check_answers(settings: AgentSettings) -> None:
    """Refuse to start without the engine that the settings name.

    Raises:
        SettingsError: it does not answer; the text says what to do.
    """
    if settings.engine is None:
        return
    try:
        address = EngineAddress(settings.engine, tls_folder=settings.engine_tls)
        with Engine(address, timeout_seconds=_ASK_SECONDS) as engine:
            engine.info()
    except (ValueError, EngineError) as error:
        msg = (
            f"The node's container engine at {settings.engine} cannot be used: {error} "
            f"Start it, let this account use it, or set {PREFIX}ENGINE to its address."
        )
        raise SettingsError(msg) from error


def _node(site: Site, name: str) -> Node | None:
    return next((one for one in site.nodes if one.name == name), None)
