"""What each queue's nodes have to offer now: pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from waylab_board.choices import free_capacities
from waylab_board.wants import default_gpus, nameable, nodes_of, rank_of
from waylab_clearml.offer import GpuOffer, NodeOffer, Offer
from waylab_ledger.placement import Capacity
from waylab_ledger.values import Device, DeviceKind, Selector
from waylab_ledger.views import Snapshot
from waylab_site.model import SERVICES_QUEUE, Site


def offer_of(
    queue: str, site: Site, snapshot: Snapshot, nodes_with_gpus: frozenset[str]
) -> Offer:
    """Give what a queue's jobs may count on, labs' and jobs' holds taken off."""
    capacities = free_capacities(snapshot, rank_of(queue, site))
    if queue == SERVICES_QUEUE:
        return _slots(Selector(kind=DeviceKind.SERVICE), capacities)
    nodes = nodes_of(queue, site)
    count = default_gpus(queue, site, nodes, nodes_with_gpus)
    usual = Selector(
        kind=DeviceKind.GPU if count else DeviceKind.CPU,
        count=max(count, 1),
        nodes=nodes,
    )
    slots = _slots(usual, capacities)
    served = _devices(Selector(nodes=nodes), snapshot)
    cpu_slots = Counter(one.node for one in served if one.kind is DeviceKind.CPU)
    seen = {one.name for one in snapshot.nodes if one.last_seen is not None}
    return Offer(
        slots=slots.slots,
        free_slots=slots.free_slots,
        default_gpus=count,
        cpu_slots=cpu_slots.total(),
        gpus=_gpus(served, {device for one in capacities for device in one.free}),
        nodes=tuple(
            NodeOffer(
                name=name,
                default_gpus=default_gpus(queue, site, (name,), nodes_with_gpus),
                cpu_slots=cpu_slots[name],
                known=name in seen,
            )
            for name in nameable(queue, site)
        ),
    )


def _slots(usual: Selector, capacities: list[Capacity]) -> Offer:
    slots = free = 0
    for one in capacities:
        matching = one.matching(usual)
        slots += len(matching) // usual.count
        free += sum(device.id in one.free for device in matching) // usual.count
    return Offer(slots=slots, free_slots=free)


def _devices(wanted: Selector, snapshot: Snapshot) -> list[Device]:
    """Give the devices of all nodes that would serve it, also of those away."""
    nodes = {
        one.name
        for one in snapshot.nodes
        if one.declared
        and Capacity(one.name, (), frozenset(), one.reserved).admits(wanted)
    }
    return [one.device for one in snapshot.devices if one.device.node in nodes]


def _gpus(devices: Iterable[Device], free: set[str]) -> tuple[GpuOffer, ...]:
    found: dict[tuple[str, str, int, str], list[Device]] = defaultdict(list)
    for device in devices:
        if device.kind in {DeviceKind.GPU, DeviceKind.MIG}:
            kind = device.model, device.memory_bytes, device.mig_profile or ""
            found[device.node, *kind].append(device)
    return tuple(
        GpuOffer(
            node=node,
            model=model,
            memory_bytes=memory_bytes,
            count=len(equal),
            free=sum(device.id in free for device in equal),
            simulated=any(device.simulated for device in equal),
            mig_profile=mig_profile,
        )
        for (node, model, memory_bytes, mig_profile), equal in sorted(found.items())
    )
