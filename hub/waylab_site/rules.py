"""Whether the parts of a site fit together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from waylab_site.inventory import GIB, Inventory, job_devices
from waylab_site.model import HUB_NODE, SERVICES_QUEUE, HomesKind, Node, Profile, Site
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
        *_doubled("images", (image.name for image in site.images)),
        *_doubled("shares", (share.name for share in site.shares)),
        *_doubled("groups", (group.name for group in site.groups)),
        *_nodes(site),
        *_queues(site),
        *_images(site),
        *_profiles(site, inventory),
        *_homes_and_shares(site),
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
            why = "they are simulated" if node.is_simulated else "it is another machine"
            yield Problem(
                ("nodes", index, "devices"),
                f"the devices of {node.name!r} cannot be found by themselves, as {why}",
                "Declare them with [[nodes.devices]] (model, count, memory_gib), or "
                'say devices = "cpu".',
            )
        elif node.name == HUB_NODE and not node.is_local:
            yield Problem(
                ("nodes", index, "name"),
                f"{HUB_NODE!r} is what the hub's own machine is called",
                "Give this node another name.",
            )
        yield from _engine(node, ("nodes", index))


def _engine(node: Node, path: Path) -> Iterator[Problem]:
    if node.is_simulated and node.address != "local":
        yield Problem(
            (*path, "address"),
            f"{node.name!r} is simulated, and thus on the hub's machine",
            "Remove the address, or name a real engine.",
        )
    if node.engine_tls and not node.engine.startswith("tcp://"):
        yield Problem(
            (*path, "engine_tls"),
            f"the engine of {node.name!r} is {node.engine!r}, which uses no TLS",
            'Say engine = "tcp://host:2376", or remove engine_tls.',
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


def _images(site: Site) -> Iterator[Problem]:
    nodes = {node.name for node in site.nodes}
    images = {image.name for image in site.images}
    for index, image in enumerate(site.images):
        if image.nodes != "all":
            yield from _unknown(("images", index, "nodes"), image.nodes, nodes)
    for index, queue in enumerate(site.queues):
        if queue.image is not None:
            path: Path = ("queues", index, "image")
            yield from _unknown(path, (queue.image,), images, "image")
    for index, profile in enumerate(site.profiles):
        if profile.images != "all":
            path = ("profiles", index, "images")
            yield from _unknown(path, profile.images, images, "image")


def _homes_and_shares(site: Site) -> Iterator[Problem]:
    homes = site.homes
    if homes.kind is HomesKind.FOLDER and "{user}" not in (homes.path or ""):
        yield Problem(
            ("homes", "path"),
            f"the homes' path is {homes.path!r}, the same for every user",
            'Write one with {user} in it, as path = "/srv/homes/{user}".',
        )
    engines = [repr(node.name) for node in site.nodes if _has_engine(node, site)]
    if homes.kind is HomesKind.VOLUME and len(engines) > 1:
        yield Problem(
            ("homes", "kind") if "kind" in homes.model_fields_set else ("homes",),
            f"homes are volumes of one engine, and {' and '.join(engines)} have one "
            "each: a user's files would not follow from node to node",
            'Say kind = "folder" and path = "/srv/homes/{user}" under [homes], and '
            "mount that folder, as by NFS, at the same place on each of these nodes.",
        )
    mounts: dict[str, str] = {}
    groups = set(site.members)
    for index, share in enumerate(site.shares):
        if groups:
            where = ("shares", index, "groups")
            yield from _unknown(where, share.groups, groups, "group")
        if (share.path is None) == (share.volume is None):
            yield Problem(
                ("shares", index),
                f"the share {share.name!r} needs either a path or a volume",
                "Give one of the two.",
            )
        other = mounts.setdefault(share.mount, share.name)
        if other != share.name:
            yield Problem(
                ("shares", index, "mount"),
                f"{share.name!r} and {other!r} are both mounted at {share.mount}",
                "Mount each at a place of its own.",
            )


def _has_engine(node: Node, site: Site) -> bool:
    """Tell whether labs or jobs of a node may be containers.

    On the hub's machine that is so by itself where the site has images.
    """
    by_itself = node.is_local and node.engine == "auto" and bool(site.images)
    return node.names_engine or by_itself


def _profiles(site: Site, inventory: Inventory) -> Iterator[Problem]:
    names = {node.name for node in site.nodes}
    for index, profile in enumerate(site.profiles):
        path: Path = ("profiles", index)
        if profile.nodes != "all":
            unknown = list(_unknown((*path, "nodes"), profile.nodes, names))
            yield from unknown
            if unknown:
                continue
        yield from _bounds(profile, path)
        if profile.gpu_model and not profile.most_gpus:
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


def _bounds(profile: Profile, path: Path) -> Iterator[Problem]:
    if profile.max_gpus is not None and profile.max_gpus < profile.gpus:
        yield Problem(
            (*path, "max_gpus"),
            f"the profile {profile.name!r} gives {profile.gpus} GPUs, more than its "
            f"max_gpus of {profile.max_gpus}",
            "Raise max_gpus, or lower gpus.",
        )
    longest = profile.max_time_limit_hours
    if longest is not None and longest < (profile.time_limit_hours or 0):
        yield Problem(
            (*path, "max_time_limit_hours"),
            f"the profile {profile.name!r} lasts {profile.time_limit_hours:g} hours, "
            f"longer than its max_time_limit_hours of {longest:g}",
            "Raise max_time_limit_hours, or lower time_limit_hours.",
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
    if profile.most_gpus and profile.mig_profile is None:
        fitting = [gpu for gpu in _gpus(node, inventory) if _fits(gpu, profile)]
        if profile.most_gpus > len(fitting):
            kind = f"{profile.gpu_model} " if profile.gpu_model else ""
            least = profile.gpu_min_memory_gib
            size = f" with {least:g} GiB" if least else ""
            return (
                f"{node.name} has {len(fitting)} {kind}GPUs{size}, "
                f"{profile.most_gpus} are asked for"
            )
    return ""


def _gpus(node: Node, inventory: Inventory) -> list[tuple[str, float]]:
    """List model and memory (GiB) of a node's GPUs."""
    if isinstance(node.devices, tuple):
        return [
            (group.model, group.memory_gib)
            for group in node.devices
            for _ in range(group.count)
        ]
    chosen = set(job_devices(node, inventory))
    return [
        (gpu.model, gpu.memory_bytes / GIB)
        for gpu in inventory.gpus
        if gpu.uuid in chosen
    ]


def _fits(gpu: tuple[str, float], profile: Profile) -> bool:
    model, memory_gib = gpu
    wanted = (profile.gpu_model or "").casefold()
    return wanted in model.casefold() and memory_gib >= profile.gpu_min_memory_gib


def _unknown(
    path: Path, named: tuple[str, ...], known: Iterable[str], what: str = "node"
) -> Iterator[Problem]:
    known = set(known)
    for name in named:
        if name not in known:
            choice = (
                f"Name one of {_listed(known)}." if known else f"Add a [[{what}s]]."
            )
            yield Problem(path, f"there is no {what} {name!r}", choice)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
