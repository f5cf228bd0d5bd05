"""Simulated nodes: real container engines on this machine, with GPUs that are not.

gpus = of_node("vision", "RTX 4090", 2, 24)
with start_engine("vision", gpus, folder, with_image=True) as node:
    node.address, node.engine_id, node.environment, node.uuids
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from waylab_engine.engine import Engine
from waylab_rig import lab_images, running
from waylab_rig.archives import copy as copy_image
from waylab_rig.devices import SimulatedDevice, of_node, parse
from waylab_rig.errors import RigError
from waylab_rig.lab_images import REFERENCE
from waylab_rig.places import Places
from waylab_rig.requirements import requirements
from waylab_rig.running import RunningEngine

__all__ = [
    "REFERENCE",
    "Places",
    "RigError",
    "RunningEngine",
    "SimulatedDevice",
    "copy_image",
    "lab_image",
    "of_node",
    "parse",
    "requirements",
    "start_engine",
]


def start_engine(
    node: str,
    simulated: Sequence[SimulatedDevice],
    folder: Path,
    *,
    keep_containers: bool = False,
    with_image: bool = False,
) -> RunningEngine:
    """Start the engine of a simulated node, with its data in `folder`.

    A second start with the same folder finds the same engine again: its ID, images,
    volumes and containers. With `keep_containers` these outlive the engine. With
    `with_image` it has the image of labs and jobs (`REFERENCE`): the first time on a
    machine that takes a minute or two, afterwards next to nothing.

    Raises:
        RigError: the machine does not allow it; the text says what is missing.
        EngineError: the engine does not take the image.
    """
    if with_image and requirements() is None:
        lab_images.plant(Places(folder).data_root)
    started = running.start(node, simulated, folder, keep_containers=keep_containers)
    if with_image:
        try:
            with started.engine() as engine:
                lab_images.ensure(engine)
        except BaseException:
            started.stop()
            raise
    return started


def lab_image(engine: Engine) -> str:
    """Have the image of labs and jobs on an engine; give its name.

    Raises:
        RigError: it cannot be built here.
        EngineError: the engine does not take it.
    """
    lab_images.ensure(engine)
    return REFERENCE
