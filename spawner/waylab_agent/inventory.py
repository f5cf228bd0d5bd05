"""A node's devices: what NVML tells of its GPUs, and the slots that are counted.

Pure: readings in, devices out. `waylab_agent.nvml` makes the readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from waylab_ledger.values import Device, DeviceKind

SIMULATED = "(simulated)"
"""Stands in the model of a GPU that is only played."""
_GIB = 1 << 30
_PROFILE = re.compile(r"\b(\d+g\.\d+gb(?:\+\w+)*)\b")


@dataclass(frozen=True)
class Slice:
    """A MIG slice as NVML tells it; `slices` of the GPU's seven are its own."""

    uuid: str
    model: str
    memory_bytes: int
    slices: int = 1
    memory_used_bytes: int | None = None


@dataclass(frozen=True)
class Reading:
    """One GPU as NVML tells it.

    `peers` are the UUIDs of GPUs at the other end of its NVLinks; `on_switch` says
    that a link of it ends at an NVSwitch, which joins all that do.
    """

    uuid: str
    index: int
    model: str
    memory_bytes: int
    slices: tuple[Slice, ...] = ()
    is_sliced: bool = False
    peers: tuple[str, ...] = ()
    on_switch: bool = False
    gpu_percent: float | None = None
    memory_used_bytes: int | None = None


@dataclass(frozen=True)
class Slots:
    """How many slots a node has for jobs without a GPU, and for controllers."""

    cpu: int = 0
    services: int = 0


@dataclass(frozen=True)
class Inventory:
    """The devices of a node, and how much each is used."""

    devices: tuple[Device, ...] = ()
    utilisation: Mapping[str, dict[str, float]] = field(default_factory=dict)
    trouble: str = ""


def take(
    node: str, readings: Sequence[Reading], slots: Slots, wanted: Sequence[str] | None
) -> Inventory:
    """Lay out a node's devices; `wanted` names the GPUs and slices, None all.

    What is wanted and not there is told as trouble.
    """
    groups = link_groups(readings)
    gpus = [
        device for reading in readings for device in _devices(node, reading, groups)
    ]
    chosen = [gpu for gpu in gpus if wanted is None or gpu.id in wanted]
    missing = set(wanted or ()) - {gpu.id for gpu in gpus}
    return Inventory(
        devices=(*chosen, *slots_of(node, slots)),
        utilisation=dict(_usage(readings, {gpu.id for gpu in chosen})),
        trouble=f"NVML does not tell of {', '.join(sorted(missing))}."
        if missing
        else "",
    )


def slots_of(node: str, slots: Slots) -> tuple[Device, ...]:
    """Lay out the slots of a node as devices."""
    kinds = ((DeviceKind.CPU, slots.cpu), (DeviceKind.SERVICE, slots.services))
    return tuple(
        Device(id=f"{kind.value}:{node}:{index}", node=node, kind=kind, index=index)
        for kind, count in kinds
        for index in range(count)
    )


def link_groups(readings: Sequence[Reading]) -> dict[str, str]:
    """Give the name of each linked GPU's group; GPUs without NVLink have none."""
    group = {reading.uuid: reading.uuid for reading in readings}

    def root(uuid: str) -> str:
        while group[uuid] != uuid:
            uuid = group[uuid]
        return uuid

    switched = [reading.uuid for reading in readings if reading.on_switch]
    pairs = [(switched[0], other) for other in switched[1:]]
    pairs += [(r.uuid, peer) for r in readings for peer in r.peers if peer in group]
    for one, other in pairs:
        group[root(other)] = root(one)
    members: dict[str, list[str]] = {}
    for reading in readings:
        members.setdefault(root(reading.uuid), []).append(reading.uuid)
    linked = [uuids for uuids in members.values() if len(uuids) > 1]
    return {
        uuid: f"nvlink{number}" for number, uuids in enumerate(linked) for uuid in uuids
    }


def slot_name(devices: Sequence[Device]) -> str:
    """Name the worker of a lease by its first device: `gpu0`, `cpu1`, `services0`.

    No two leases share a device, so no two have the same name.
    """
    names = {DeviceKind.SERVICE: "services"}
    first = min(devices, key=lambda device: (device.kind.value, device.index))
    return f"{names.get(first.kind, first.kind.value)}{first.index}"


def mig_profile(piece: Slice) -> str:
    """Give a slice's profile (`1g.10gb`), from its model or from its size."""
    named = _PROFILE.search(piece.model)
    if named:
        return named.group(1)
    return f"{piece.slices}g.{max(1, round(piece.memory_bytes / _GIB))}gb"


def _devices(
    node: str, reading: Reading, groups: Mapping[str, str]
) -> Iterable[Device]:
    simulated = SIMULATED in reading.model
    if not reading.is_sliced:
        yield Device(
            id=reading.uuid,
            node=node,
            kind=DeviceKind.GPU,
            index=reading.index,
            model=reading.model,
            memory_bytes=reading.memory_bytes,
            link_group=groups.get(reading.uuid),
            simulated=simulated,
        )
        return
    for number, piece in enumerate(reading.slices):
        yield Device(
            id=piece.uuid,
            node=node,
            kind=DeviceKind.MIG,
            index=reading.index * 8 + number,
            model=reading.model,
            memory_bytes=piece.memory_bytes,
            parent=reading.uuid,
            mig_profile=mig_profile(piece),
            simulated=simulated,
        )


def _usage(
    readings: Sequence[Reading], ids: set[str]
) -> Iterable[tuple[str, dict[str, float]]]:
    for reading in readings:
        values: list[tuple[str, float | None, int | None]] = [
            (reading.uuid, reading.gpu_percent, reading.memory_used_bytes),
            # The driver does not tell how busy a slice is, only its memory.
            *((s.uuid, None, s.memory_used_bytes) for s in reading.slices),
        ]
        for uuid, percent, used in values:
            if uuid in ids:
                told = {"gpu_percent": percent, "memory_used_bytes": used}
                yield uuid, {k: float(v) for k, v in told.items() if v is not None}
