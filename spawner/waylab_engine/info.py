"""What an engine says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from waylab_engine.errors import EngineUnreachable

CDI_KIND = "nvidia.com/gpu"


class GpuDriver(StrEnum):
    """How devices are asked for."""

    CDI = "cdi"
    """By their names in a CDI specification."""
    NVIDIA = "nvidia"
    """By UUID, from the engine's nvidia driver."""


@dataclass(frozen=True)
class EngineInfo:
    """An engine's identity and means.

    `id` stays the same for as long as the engine keeps its containers. `cdi` says that
    the engine gives NVIDIA devices by CDI; `nvidia`, that it has NVIDIA's runtime (an
    engine may have only the runtime's hook, which it does not tell).
    """

    id: str
    version: str = ""
    cdi: bool = False
    nvidia: bool = False
    cpus: int = 0
    memory_bytes: int = 0

    @property
    def gpu_driver(self) -> GpuDriver:
        """Which way to ask for devices."""
        return GpuDriver.CDI if self.cdi else GpuDriver.NVIDIA


def parse(answer: object) -> EngineInfo:
    """Read the answer to `GET /info`.

    Raises:
        EngineUnreachable: it is not an engine's answer.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get("ID"), str):
        msg = "What answers is not a container engine: its /info has no ID."
        raise EngineUnreachable(msg)
    if not answer["ID"]:
        msg = "The engine has no ID yet: it is still starting."
        raise EngineUnreachable(msg)
    return EngineInfo(
        id=answer["ID"],
        version=_text(answer.get("ServerVersion")),
        cdi=_has_cdi(answer),
        nvidia="nvidia" in _mapping(answer.get("Runtimes")),
        cpus=_number(answer.get("NCPU")),
        memory_bytes=_number(answer.get("MemTotal")),
    )


def _has_cdi(answer: Mapping[str, Any]) -> bool:
    # Engines from 28.3 on list the devices; older ones only where they look for them,
    # and an engine that looks and has NVIDIA's runtime too may have no specification.
    found = answer.get("DiscoveredDevices")
    if isinstance(found, list):
        ids = (str(_mapping(device).get("ID", "")) for device in found)
        return any(device.startswith(f"{CDI_KIND}=") for device in ids)
    runtimes = _mapping(answer.get("Runtimes"))
    return bool(answer.get("CDISpecDirs")) and "nvidia" not in runtimes


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
