"""The image of labs and jobs on the engines of simulated nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_hub.engines import NodeEngine
from waylab_hub.errors import StartError
from waylab_rig import lab_images
from waylab_rig.errors import RigError
from waylab_rig.lab_images import Tell
from waylab_rig.places import Places
from waylab_rig.recipe import NAME
from waylab_site.model import Node, Site


def plant_images(engines: Iterable[NodeEngine], site: Site, tell: Tell) -> None:
    """Give engines that have not started yet the image, if the site names it.

    Raises:
        StartError: it cannot be built here.
    """
    for engine in _wanting(engines, site):
        try:
            lab_images.plant(Places(engine.folder).data_root, tell=tell)
        except (RigError, EngineError) as error:
            raise _unable(engine.node, error) from error


def ensure_images(engines: Iterable[NodeEngine], site: Site, tell: Tell) -> None:
    """Have the image of this very checkout on running engines.

    Raises:
        StartError: it cannot be built here.
    """
    for engine in _wanting(engines, site):
        if engine.address is None:
            continue
        try:
            with Engine(engine.address) as client:
                lab_images.ensure(client, tell=tell)
        except (RigError, EngineError) as error:
            raise _unable(engine.node, error) from error


def _wanting(engines: Iterable[NodeEngine], site: Site) -> Iterator[NodeEngine]:
    for engine in engines:
        for image in site.images:
            at_home = image.nodes == "all" or engine.node.name in image.nodes
            if at_home and image.reference in {NAME, lab_images.REFERENCE}:
                yield engine
                break


def _unable(node: Node, error: Exception) -> StartError:
    return StartError(f"The simulated node {node.name} gets no image of labs. {error}")
