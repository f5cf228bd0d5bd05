"""What somebody who waits could have at once instead: pure."""

from __future__ import annotations

from dataclasses import dataclass

from waylab_ledger.placement import Capacity, could_fit, place
from waylab_ledger.values import DeviceKind, NodeState, Selector
from waylab_ledger.views import Snapshot
from waylab_site.model import Profile, Site

GIB = 1024**3
LABS_RANK = 0
"""Somebody sits and waits for a lab."""


@dataclass(frozen=True)
class Choice:
    """A profile that would start now."""

    profile: str
    title: str
    text: str


def choices(site: Site, snapshot: Snapshot, waited_for: Selector) -> list[Choice]:
    """Give the profiles that have devices free now, or that need none."""
    capacities = free_capacities(snapshot)
    found = []
    for profile in site.profiles:
        wanted = selector_of(profile, site)
        if wanted is None:
            found.append(Choice(profile.name, profile.title, "starts at once"))
        elif wanted != waited_for and place(wanted, capacities) is not None:
            free = _free(wanted, capacities)
            found.append(Choice(profile.name, profile.title, f"{free} free now"))
    return found


def selector_of(profile: Profile, site: Site) -> Selector | None:
    """Give what a profile asks for by default; None if it needs no device."""
    if profile.gpus == 0:
        return None
    nodes = () if profile.nodes == "all" else profile.nodes
    return Selector(
        kind=DeviceKind.MIG if profile.mig_profile else DeviceKind.GPU,
        count=profile.gpus,
        nodes=nodes,
        model=profile.gpu_model,
        min_memory_bytes=int(profile.gpu_min_memory_gib * GIB),
        mig_profile=profile.mig_profile,
    )


def free_capacities(snapshot: Snapshot, rank: int = LABS_RANK) -> list[Capacity]:
    """Give what every node that takes leases has free for a newcomer of that rank.

    What is kept for a ticket that was overtaken often is not free for those behind it.
    """
    return [
        Capacity(
            node=node.name,
            devices=tuple(
                one.device
                for one in snapshot.devices
                if one.device.node == node.name and one.present
            ),
            free=frozenset(
                one.device.id
                for one in snapshot.devices
                if one.device.node == node.name and one.is_open_to(rank)
            ),
            reserved=node.reserved,
            large=node.large,
        )
        for node in snapshot.nodes
        if node.state is NodeState.UP and node.declared and node.complete
    ]


def can_ever_fit(selector: Selector, snapshot: Snapshot) -> bool:
    """Tell whether it would fit if all were free; True while a node is unknown."""
    concerned = [
        node
        for node in snapshot.nodes
        if node.declared and (not selector.nodes or node.name in selector.nodes)
    ]
    if any(node.last_seen is None for node in concerned):
        return True
    capacities = [
        Capacity(
            node=node.name,
            devices=tuple(
                one.device for one in snapshot.devices if one.device.node == node.name
            ),
            free=frozenset(),
            reserved=node.reserved,
            large=node.large,
        )
        for node in concerned
    ]
    return could_fit(selector, capacities)


def _free(selector: Selector, capacities: list[Capacity]) -> int:
    return sum(
        1
        for capacity in capacities
        for device in capacity.matching(selector)
        if device.id in capacity.free
    )
