"""Where a simulated node keeps what; all of it follows from its folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from waylab_engine.address import EngineAddress

RUN = Path("/run/waylab-rig")
"""What does not outlive the machine; paths of sockets must be short."""


@dataclass(frozen=True)
class Places:
    """The places of one simulated node."""

    folder: Path

    @property
    def key(self) -> str:
        """Tells it from all others on this machine."""
        return hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:8]

    @property
    def run(self) -> Path:
        """The folder of sockets and of the engine's mounts."""
        return RUN / self.key

    @property
    def exec_root(self) -> Path:
        """Where the engine keeps what runs."""
        return self.run / "exec"

    @property
    def pid_file(self) -> Path:
        """Where the engine writes its process id."""
        return self.run / "pid"

    @property
    def owner(self) -> Path:
        """Where its keeper writes itself down."""
        return self.run / "owner.json"

    @property
    def data_root(self) -> Path:
        """The engine's images, containers and volumes."""
        return self.folder / "root"

    @property
    def devices(self) -> Path:
        """The simulated devices."""
        return self.folder / "gpus"

    @property
    def standins(self) -> Path:
        """The stand-ins of NVML and nvidia-smi."""
        return self.folder / "standins"

    @property
    def programs(self) -> Path:
        """The folder that comes first in the engine's PATH."""
        return self.folder / "bin"

    @property
    def log(self) -> Path:
        """What the engine writes."""
        return self.folder / "engine.log"

    @property
    def bridge(self) -> str:
        """The name of its bridge."""
        return f"waylab{self.key}"

    @property
    def cgroup(self) -> str:
        """The cgroup of its containers."""
        return f"waylab-rig-{self.key}"

    @property
    def address(self) -> EngineAddress:
        """Where its engine is, with a loopback address that only it publishes on."""
        first, second, third = bytes.fromhex(self.key)[:3]
        host = f"127.{64 + first % 128}.{second}.{1 + third % 253}"
        return EngineAddress(f"unix://{self.run}/engine.sock", host)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which NVML on the machine itself sees its devices."""
        return {
            "LD_LIBRARY_PATH": str(self.standins),
            "WAYLAB_RIG_GPUS": str(self.devices),
        }
