"""How much of the node's cores and memory a job's container gets: pure rules.

A job has the share that belongs to its devices; its task may ask for less.
"""

from __future__ import annotations

from collections.abc import Sequence

from waylab_engine.plans import Limits
from waylab_ledger.values import Device, DeviceKind

SERVICE_SHARE = 0.125
"""A controller waits most of the time; eight of them must fit."""
LEAST_CPUS = 0.5
LEAST_MEMORY_BYTES = 512 << 20


def share_of(
    leased: Sequence[str], inventory: Sequence[Device], cpus: int, memory_bytes: int
) -> Limits:
    """Give the limits for a job that holds these devices of the node's inventory.

    `cpus` and `memory_bytes` are the node's, 0 if nobody knows them. Where a node has
    GPUs they share it among them, and a job without one gets a small part.
    """
    part = _part(leased, inventory)
    return Limits(
        cpus=max(part * cpus, LEAST_CPUS),
        memory_bytes=max(int(part * memory_bytes), LEAST_MEMORY_BYTES),
    )


def _part(leased: Sequence[str], inventory: Sequence[Device]) -> float:
    kinds = {device.id: device.kind for device in inventory}
    gpus = [d for d in inventory if d.kind in {DeviceKind.GPU, DeviceKind.MIG}]
    slots = [d for d in inventory if d.kind is DeviceKind.CPU]
    held = [kinds.get(device, DeviceKind.GPU) for device in leased]
    if DeviceKind.SERVICE in held:
        return SERVICE_SHARE
    if DeviceKind.CPU in held:
        return len(held) / (len(slots) + len(gpus))
    if gpus:
        return min(1.0, len(held) / len(gpus))
    return 1.0
