"""Which devices a request gets: the tightest fit that keeps neighbours together.

A request is served by one node. Nodes that the site calls large come last; then the
devices of the least memory that will do come first, then those of the fewest groups,
then the node on which the fewest matching devices stay free. Within a node devices come
from as few groups as possible (NVLink neighbours; slices of one GPU), and from the
smallest group that has enough, so that large groups stay whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from waylab_ledger.values import Device, DeviceKind, Selector


@dataclass(frozen=True)
class Capacity:
    """A node that takes leases: what it has, and what of it is free."""

    node: str
    devices: tuple[Device, ...]
    free: frozenset[str]
    reserved: bool = False
    large: bool = False

    def admits(self, selector: Selector) -> bool:
        """Tell whether a request may use this node at all."""
        if selector.nodes:
            return self.node in selector.nodes
        return not self.reserved

    def matching(self, selector: Selector) -> tuple[Device, ...]:
        """Give its devices, free or not, that a request could use."""
        if not self.admits(selector):
            return ()
        return tuple(one for one in self.devices if matches(one, selector))

    def without(self, devices: Iterable[str]) -> Capacity:
        """Give the same node with some devices taken."""
        free = self.free.difference(devices)
        return Capacity(self.node, self.devices, free, self.reserved, self.large)


@dataclass(frozen=True)
class Placement:
    """Devices of one node, in the order of their indices."""

    node: str
    devices: tuple[str, ...]


def matches(device: Device, selector: Selector) -> bool:
    """Tell whether a device is what a request asks for, wherever it is."""
    wanted = DeviceKind.MIG if selector.mig_profile else selector.kind
    return (
        device.kind == wanted
        and device.memory_bytes >= selector.min_memory_bytes
        and (
            selector.model is None
            or selector.model.casefold() in device.model.casefold()
        )
        and (selector.mig_profile is None or device.mig_profile == selector.mig_profile)
    )


def could_fit(selector: Selector, capacities: Iterable[Capacity]) -> bool:
    """Tell whether it would fit on some node if everything were free."""
    return any(len(one.matching(selector)) >= selector.count for one in capacities)


def place(selector: Selector, capacities: Iterable[Capacity]) -> Placement | None:
    """Choose devices that are free now, or None if no node has enough."""
    best: tuple[tuple[bool, int, int, int, int, str], Placement] | None = None
    for capacity in capacities:
        matching = capacity.matching(selector)
        free = [one for one in matching if one.id in capacity.free]
        if len(free) < selector.count:
            continue
        chosen = _choose(free, selector.count)
        memory = max(one.memory_bytes for one in chosen)
        cost = (
            capacity.large,
            memory,
            len({_group(one) for one in chosen}),
            len(free) - selector.count,
            len(matching),
            capacity.node,
        )
        if best is None or cost < best[0]:
            ids = tuple(one.id for one in sorted(chosen, key=_order))
            best = cost, Placement(capacity.node, ids)
    return best[1] if best else None


def describe(selector: Selector) -> str:
    """Say what is asked for, e.g. `2 x GPU "A100" of 40 GiB or more`."""
    what = f"MIG {selector.mig_profile}" if selector.mig_profile else selector.kind
    text = f"{selector.count} x {str(what).upper() if what == 'gpu' else what}"
    if selector.model:
        text += f' "{selector.model}"'
    if selector.min_memory_bytes:
        text += f" of {selector.min_memory_bytes / 2**30:g} GiB or more"
    if selector.nodes:
        text += f" on {' or '.join(selector.nodes)}"
    return text


def inventory(capacities: Iterable[Capacity]) -> str:
    """Say what there is, e.g. `vision: 2 x RTX 4090 (24 GiB); nlp: 4 x A100 …`."""
    nodes = []
    for one in sorted(capacities, key=lambda capacity: capacity.node):
        counts: dict[str, int] = defaultdict(int)
        for device in one.devices:
            counts[_name(device)] += 1
        has = ", ".join(f"{count} x {name}" for name, count in sorted(counts.items()))
        nodes.append(f"{one.node}: {has or 'no devices'}")
    return "; ".join(nodes) or "no nodes"


def gpu_share(device: Device) -> float:
    """Give the part of a GPU that a device is: a slice `2g.…` is two sevenths."""
    if device.kind is DeviceKind.GPU:
        return 1.0
    if device.kind is DeviceKind.MIG and device.mig_profile:
        head = device.mig_profile.split("g.", 1)[0]
        return int(head) / 7 if head.isdecimal() else 1.0
    return 0.0


def _choose(free: Sequence[Device], count: int) -> list[Device]:
    """Choose among enough free devices of one node."""
    by_model: dict[tuple[int, str], list[Device]] = defaultdict(list)
    for device in free:
        by_model[device.memory_bytes, device.model].append(device)
    for _, equal in sorted(by_model.items()):
        if len(equal) >= count:
            return _from_groups(equal, count)
    return _from_groups(free, count)


def _from_groups(free: Sequence[Device], count: int) -> list[Device]:
    groups: dict[str, list[Device]] = defaultdict(list)
    for device in free:
        groups[_group(device)].append(device)
    for group in groups.values():
        group.sort(key=_order)
    chosen: list[Device] = []
    while len(chosen) < count:
        missing = count - len(chosen)
        enough = [one for one in groups.items() if len(one[1]) >= missing]
        name = (
            min(enough, key=lambda one: (len(one[1]), _order(one[1][0])))[0]
            if enough
            else max(groups.items(), key=lambda one: (len(one[1]), one[0]))[0]
        )
        chosen += groups.pop(name)[:missing]
    return chosen


def _group(device: Device) -> str:
    """Name the neighbours of a device; one without any is alone."""
    return device.parent or device.link_group or f"alone:{device.id}"


def _order(device: Device) -> tuple[int, str]:
    return device.index, device.id


def _name(device: Device) -> str:
    if device.kind in {DeviceKind.CPU, DeviceKind.SERVICE}:
        return f"{device.kind} slot"
    memory = f" ({device.memory_bytes / 2**30:g} GiB)" if device.memory_bytes else ""
    slice_ = f" slice {device.mig_profile}" if device.mig_profile else ""
    return f"{device.model or 'GPU'}{slice_}{memory}"
