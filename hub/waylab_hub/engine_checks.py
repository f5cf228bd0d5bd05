"""What `waylab doctor` says of the nodes' container engines."""

from __future__ import annotations

from collections.abc import Iterator

from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_hub import control
from waylab_hub.checks import Check, Verdict
from waylab_hub.engines import NodeEngine, engines_of
from waylab_hub.errors import ControlError, StartError
from waylab_site.errors import SiteError
from waylab_site.inventory import this_machine
from waylab_site.loading import load
from waylab_site.model import Site
from waylab_site.state import State

_ENGINE_SECONDS = 5.0


def engine_checks(state: State) -> Iterator[Check]:
    """Look at how each node runs labs and jobs, and whether its engine answers."""
    try:
        site = load(state.site_file, this_machine())
        engines = engines_of(site, state.engines)
    except SiteError:
        return  # The check of the site has told it.
    except StartError as error:
        yield Check("engines", Verdict.BAD, str(error))
        return
    for node in engines:
        name = f"engine of {node.node.name}"
        if node.address is None or (node.node.is_simulated and not _runs(state)):
            yield Check(name, Verdict.OK, node.why)
            continue
        yield _engine(name, node, site)


def _engine(name: str, node: NodeEngine, site: Site) -> Check:
    address = node.address
    if address is None:
        return Check(name, Verdict.OK, node.why)
    with Engine(address, timeout_seconds=_ENGINE_SECONDS) as engine:
        try:
            version = engine.info().version
            missing = [
                image.reference
                for image in site.images
                if image.nodes == "all" or node.node.name in image.nodes
                if not engine.has_image(image.reference)
            ]
        except EngineError as error:
            text = f"{error} Labs and jobs of {node.node.name} wait for it."
            return Check(name, Verdict.BAD, text)
    text = f"{node.why}; Docker {version} at {address}"
    if missing:
        text += f"; not there yet, pulled at need: {', '.join(missing)}"
        return Check(name, Verdict.WARNING, text)
    return Check(name, Verdict.OK, text)


def _runs(state: State) -> bool:
    try:
        control.ask(state.supervisor_socket, {"verb": "status"}, timeout_seconds=10.0)
    except ControlError:
        return False
    return True
