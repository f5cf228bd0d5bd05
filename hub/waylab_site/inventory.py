"""What a machine has: its GPUs by NVML, its cores and its memory."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from waylab_site.model import Node

_log = logging.getLogger(__name__)

GIB = 1024**3


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver reports it."""

    uuid: str
    model: str
    memory_bytes: int


@dataclass(frozen=True)
class Inventory:
    """The devices of one machine at one moment."""

    gpus: tuple[Gpu, ...]
    cores: int
    memory_bytes: int


def this_machine() -> Inventory:
    """Look at this machine; one without a usable NVIDIA driver has no GPUs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Inventory(_gpus(), len(os.sched_getaffinity(0)), memory)


def job_devices(node: Node, inventory: Inventory) -> tuple[str, ...]:
    """Give the UUIDs of the GPUs that a local node's jobs use, one a slot."""
    if node.devices == "cpu":
        return ()
    return tuple(gpu.uuid for gpu in inventory.gpus)


def cpu_slots(node: Node, inventory: Inventory) -> int:
    """Give how many jobs without a GPU a node on this machine runs at once."""
    if node.cpu_slots == "auto":
        return max(1, inventory.cores // 2)
    return node.cpu_slots


def _gpus() -> tuple[Gpu, ...]:
    try:
        import pynvml  # noqa: PLC0415 - only machines that run jobs have it.
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        _log.debug("NVML finds no GPU: %s", error)
        return ()
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index)
            for index in range(pynvml.nvmlDeviceGetCount())
        ]
        return tuple(
            Gpu(
                uuid=pynvml.nvmlDeviceGetUUID(handle),
                model=pynvml.nvmlDeviceGetName(handle),
                memory_bytes=pynvml.nvmlDeviceGetMemoryInfo(handle).total,
            )
            for handle in handles
        )
    except pynvml.NVMLError as error:
        _log.warning("NVML does not describe the GPUs: %s. Jobs use the CPU.", error)
        return ()
    finally:
        pynvml.nvmlShutdown()
