"""Whether the parts of a site fit together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from waylab_site.inventory import GIB, Inventory, job_devices
from waylab_site.model import SERVICES_QUEUE, Node, Profile, Site
from waylab_site.positions import Path


@dataclass(frozen=True)
class Problem:
    """What is wrong, where (a path into the declaration), and the remedy."""

    path: Path
    message: str
    remedy: str


def problems(site: Site, inventory: Inventory) -> tuple[Problem, ...]:
    """Give everything about a site that does not fit; `inventory` is this machine's."""
    return (
        *_empty("nodes", site.nodes),
        *_empty("queues", site.queues),
        *_empty("profiles", site.profiles),
        *_doubled("nodes", (node.name for node in site.nodes)),
        *_doubled("queues", (queue.name for queue in site.queues)),
        *_doubled("profiles", (profile.name for profile in site.profiles)),
        *_nodes(site),
        *_queues(site),
        *_profiles(site, inventory),
    )


def _empty(table: str, items: tuple[object, ...]) -> Iterator[Problem]:
    if not items:
        yield Problem((table,), f"there are no {table}", f"Add a [[{table}]].")


def _doubled(table: str, names: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Problem(
                (table, index, "name"),
                f"there are two {table} called {name!r}",
                "Give each a name of its own.",
            )
        seen.add(name)


def _nodes(site: Site) -> Iterator[Problem]:
    local: str | None = None
    for index, node in enumerate(site.nodes):
        if node.is_local and local is not None:
            yield Problem(
                ("nodes", index, "name"),
                f"{node.name!r} and {local!r} are both the hub's own machine",
                'Give all nodes but one an address, as address = "gpu1.example.org".',
            )
        elif node.is_local:
            local = node.name
        elif node.devices == "auto":
            yield Problem(
                ("nodes", index, "devices"),
                f"the devices of {node.name!r} cannot be found by themselves, as it "
                "is another machine",
                "Declare them with [[nodes.devices]] (model, count, memory_gib), or "
                'say devices = "cpu".',
            )


def _queues(site: Site) -> Iterator[Problem]:
    names = {node.name for node in site.nodes}
    for index, queue in enumerate(site.queues):
        if queue.name == SERVICES_QUEUE:
            yield Problem(
                ("queues", index, "name"),
                f"the queue {SERVICES_QUEUE!r} is there by itself",
                "Remove it here; [jobs] services_slots says how many controllers run.",
            )
        if queue.nodes == "all":
            continue
        if not queue.nodes:
            yield Problem(
                ("queues", index, "nodes"),
                f"no node serves the queue {queue.name!r}",
                f"Name at least one of {_listed(names)}, or remove the queue.",
            )
        yield from _unknown(("queues", index, "nodes"), queue.nodes, names)


def _profiles(site: Site, inventory: Inventory) -> Iterator[Problem]:
    names = {node.name for node in site.nodes}
    for index, profile in enumerate(site.profiles):
        path: Path = ("profiles", index)
        if profile.nodes != "all":
            unknown = list(_unknown((*path, "nodes"), profile.nodes, names))
            yield from unknown
            if unknown:
                continue
        if profile.gpu_model and not profile.gpus:
            yield Problem(
                (*path, "gpu_model"),
                f"the profile {profile.name!r} names a GPU model and asks for no GPU",
                "Say gpus = 1, or remove gpu_model.",
            )
        reasons = [
            _shortage(profile, node, inventory)
            for node in site.nodes
            if profile.may_use(node)
        ]
        if all(reasons):
            yield Problem(
                path,
                f"no node can satisfy the profile {profile.name!r} "
                f"({'; '.join(filter(None, reasons)) or 'it admits no node'})",
                "Ask for less, or name other nodes.",
            )


def _shortage(profile: Profile, node: Node, inventory: Inventory) -> str:
    """Say why a node cannot satisfy a profile; empty if it can."""
    cores, memory_gib = node.cores, node.memory_gib
    if node.is_local:
        cores = cores or inventory.cores
        memory_gib = memory_gib or inventory.memory_bytes / GIB
    if cores is not None and profile.cpus > cores:
        return f"{node.name} has {cores} cores, {profile.cpus} are asked for"
    if memory_gib is not None and profile.memory_gib > memory_gib:
        return (
            f"{node.name} has {memory_gib:.1f} GiB of memory, {profile.memory_gib:g} "
            "are asked for"
        )
    if profile.gpus:
        models = _gpu_models(node, inventory)
        fitting = [
            model
            for model in models
            if profile.gpu_model is None or profile.gpu_model in model
        ]
        if profile.gpus > len(fitting):
            kind = f"{profile.gpu_model} " if profile.gpu_model else ""
            return (
                f"{node.name} has {len(fitting)} {kind}GPUs, {profile.gpus} are asked "
                "for"
            )
    return ""


def _gpu_models(node: Node, inventory: Inventory) -> list[str]:
    if isinstance(node.devices, tuple):
        return [group.model for group in node.devices for _ in range(group.count)]
    chosen = set(job_devices(node, inventory))
    return [gpu.model for gpu in inventory.gpus if gpu.uuid in chosen]


def _unknown(
    path: Path, named: tuple[str, ...], known: Iterable[str]
) -> Iterator[Problem]:
    known = set(known)
    for name in named:
        if name not in known:
            yield Problem(
                path, f"there is no node {name!r}", f"Name one of {_listed(known)}."
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
