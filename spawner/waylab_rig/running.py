"""Simulated nodes: real container engines on this machine, with GPUs that are not.

with start_engine("vision", of_node("vision", "RTX 4090", 2, 24), folder) as node:
    node.address, node.engine_id, node.environment
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from waylab_engine.address import EngineAddress
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_rig import devices, dockerd, leftovers, network, standins
from waylab_rig.devices import SimulatedDevice
from waylab_rig.errors import RigError
from waylab_rig.places import Places
from waylab_rig.requirements import requirements


class RunningEngine:
    """A simulated node's engine. It ends with `stop`, or else with this process.

    `environment` is what a program on this machine needs for NVML to show the node's
    devices; a program within a container needs nothing.
    """

    def __init__(
        self,
        node: str,
        places: Places,
        simulated: Sequence[SimulatedDevice],
        *,
        keep_containers: bool,
    ) -> None:
        """Use `start`."""
        self.node = node
        self.places = places
        self.devices = tuple(simulated)
        self.address: EngineAddress = places.address
        self.environment = places.environment
        self._keep = keep_containers
        self._process = dockerd.start(places, keep_containers=keep_containers)
        with Engine(self.address) as engine:
            self.engine_id = engine.info().id

    def __enter__(self) -> RunningEngine:
        """Give the engine itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it, with all that runs on it."""
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the engine."""
        return self._process.pid

    @property
    def uuids(self) -> tuple[str, ...]:
        """The UUIDs of its whole GPUs."""
        return tuple(one.uuid for one in self.devices if one.parent is None)

    def engine(self, *, timeout_seconds: float = 10.0) -> Engine:
        """Make a client of it; close it yourself."""
        return Engine(self.address, timeout_seconds=timeout_seconds)

    def set_load(
        self, device: str, *, gpu_percent: int, memory_used_bytes: int
    ) -> None:
        """Let a device, by UUID, seem to do something."""
        devices.set_load(
            self.places.devices,
            device,
            gpu_percent=gpu_percent,
            memory_used_bytes=memory_used_bytes,
        )

    def freeze(self) -> None:
        """Let the engine hang: it accepts connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Let it crash."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start it again after `kill` or `halt`; it is the same engine as before."""
        leftovers.end_engine(self.places)
        self._process = dockerd.start(self.places, keep_containers=self._keep)

    def halt(self) -> None:
        """End the engine alone: containers go on if they are kept, else they end."""
        dockerd.stop(self._process)

    def wait(self) -> int:
        """Wait until the engine ends by itself; give its exit status."""
        return self._process.wait()

    def stop(self) -> None:
        """End the engine and all its containers, and clear the machine. Idempotent.

        Its data stays in its folder.
        """
        if self._process.poll() is None:
            self.thaw()
            self._end_containers()
        dockerd.stop(self._process)
        leftovers.clear(self.places)

    def _end_containers(self) -> None:
        with self.engine() as engine:
            try:
                running = engine.connection.run(lambda client: client.containers())
                for container in running:
                    engine.kill(container["Id"])
            except EngineError:
                return  # What is left ends by force, with the engine.


def start(
    node: str,
    simulated: Sequence[SimulatedDevice],
    folder: Path,
    *,
    keep_containers: bool = False,
) -> RunningEngine:
    """Start the engine of a simulated node, with its data in `folder`.

    A second start with the same folder finds the same engine again: its ID, images,
    volumes and containers. With `keep_containers` these outlive the engine.

    Raises:
        RigError: the machine does not allow it; the text says what is missing.
    """
    missing = requirements()
    if missing is not None:
        raise RigError(missing)
    leftovers.sweep()
    places = Places(folder)
    keeper = leftovers.owner(places)
    if keeper is not None and keeper != os.getpid():
        msg = f"The node in {folder} is run by process {keeper} already: stop that one."
        raise RigError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    leftovers.end_engine(places)
    leftovers.own(places, keep_containers=keep_containers)
    try:
        standins.build(places.standins)
        devices.write(places.devices, simulated)
        network.make(places.bridge)
        return RunningEngine(node, places, simulated, keep_containers=keep_containers)
    except (RigError, EngineError, OSError, subprocess.SubprocessError):
        leftovers.clear(places)
        raise
