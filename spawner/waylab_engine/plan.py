"""What a container is made of, as values, and how docker's SDK wants to hear it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from docker.types import DeviceRequest, LogConfig
from docker.types import Mount as SdkMount
from docker.types import Ulimit as SdkUlimit

from waylab_engine.arguments import Ulimit
from waylab_engine.info import CDI_KIND, GpuDriver
from waylab_engine.mounts import Mount

_LOG_SIZE = "10m"
_LOG_FILES = "3"


@dataclass(frozen=True)
class Publish:
    """A port of the container, bound to a free port of an address of the node."""

    port: int
    host: str


@dataclass(frozen=True)
class ContainerPlan:
    """Everything that a container is to be; made by `plans`, made real by `Engine`.

    `gpus` are the UUIDs of exactly the devices that it sees. `user` is numeric,
    `uid:gid`. What is the same for all (no privileges, no capabilities, no new ones,
    a private IPC, no restart) is no field: it cannot be planned otherwise.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    user: str
    mounts: tuple[Mount, ...]
    cpus: float
    memory_bytes: int
    shm_bytes: int
    pids: int
    gpus: tuple[str, ...] = ()
    gpu_driver: GpuDriver = GpuDriver.NVIDIA
    ulimits: tuple[Ulimit, ...] = ()
    publish: tuple[Publish, ...] = ()
    network: str = "bridge"
    hostname: str | None = None
    working_dir: str | None = None
    stop_signal: str = "SIGTERM"
    extra_hosts: Mapping[str, str] = field(default_factory=dict)

    def create_kwargs(self) -> dict[str, Any]:
        """Give the arguments of `APIClient.create_container`, bar `host_config`."""
        return {
            "name": self.name,
            "image": self.image,
            "command": list(self.command),
            # An entry point of the image would come before the command.
            "entrypoint": [],
            "environment": dict(self.environment),
            "labels": dict(self.labels),
            "user": self.user,
            "hostname": self.hostname,
            "working_dir": self.working_dir,
            "ports": [publish.port for publish in self.publish],
            "stop_signal": self.stop_signal,
            "tty": False,
            "stdin_open": False,
            # The operator's own docker configuration is none of a container's business.
            "use_config_proxy": False,
        }

    def host_kwargs(self) -> dict[str, Any]:
        """Give the arguments of `APIClient.create_host_config`."""
        return {
            "privileged": False,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "ipc_mode": "private",
            "network_mode": self.network,
            "restart_policy": {"Name": "no"},
            "auto_remove": False,
            # Reaps what a job's own children leave behind.
            "init": True,
            "nano_cpus": round(self.cpus * 1e9),
            "mem_limit": self.memory_bytes,
            "memswap_limit": self.memory_bytes,
            "shm_size": self.shm_bytes,
            "pids_limit": self.pids,
            "device_requests": self._device_requests(),
            "ulimits": [
                SdkUlimit(name=limit.name, soft=limit.soft, hard=limit.hard)
                for limit in self.ulimits
            ],
            "binds": [
                f"{mount.folder}:{mount.target}:{'ro' if mount.read_only else 'rw'}"
                for mount in self.mounts
                if mount.is_made
            ],
            "mounts": [
                SdkMount(
                    target=mount.target,
                    source=mount.source,
                    type="bind" if mount.folder else "volume",
                    read_only=mount.read_only,
                )
                for mount in self.mounts
                if not mount.is_made
            ],
            "port_bindings": {
                publish.port: (publish.host,) for publish in self.publish
            },
            "extra_hosts": dict(self.extra_hosts),
            "log_config": LogConfig(
                type=LogConfig.types.JSON,
                config={"max-size": _LOG_SIZE, "max-file": _LOG_FILES},
            ),
        }

    def _device_requests(self) -> list[DeviceRequest]:
        if not self.gpus:
            return []
        if self.gpu_driver is GpuDriver.CDI:
            names = [f"{CDI_KIND}={uuid}" for uuid in self.gpus]
            return [DeviceRequest(driver="cdi", device_ids=names)]
        return [
            DeviceRequest(
                driver="nvidia", device_ids=list(self.gpus), capabilities=[["gpu"]]
            )
        ]
