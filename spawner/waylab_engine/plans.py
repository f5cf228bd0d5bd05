"""From a site's values and a lease to a container: for labs and jobs alike.

Pure: values in, a plan out. Everything that keeps a user inside the own container is
decided here, and what a user chose (image, options, names) comes in as a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from waylab_engine import sizes
from waylab_engine.arguments import Options, Ulimit
from waylab_engine.catalogue import choose, on_node
from waylab_engine.errors import DeviceRefused, LimitRefused
from waylab_engine.info import EngineInfo, GpuDriver
from waylab_engine.labels import Labels
from waylab_engine.mounts import HOME, Mount, home, shares_of
from waylab_engine.names import container_name
from waylab_engine.plan import ContainerPlan, Publish
from waylab_ledger.values import Holder
from waylab_site.inventory import GIB
from waylab_site.model import Homes, Image, Profile, Share

LAB_PORT = 8888
"""Where a lab listens in its container."""
DRIVER_CAPABILITIES = "compute,utility,video,graphics"
_UUID = re.compile(r"^(?:GPU|MIG)-[A-Za-z0-9][A-Za-z0-9/-]{0,127}$")
_SLOT = re.compile(r"^(?:cpu|service):[A-Za-z0-9.-]+:\d+$")
_VOLUMES = Homes()


@dataclass(frozen=True)
class Identity:
    """The account that runs in a container; the site's images have it as `lab`."""

    uid: int = 1000
    gid: int = 1000

    def __str__(self) -> str:
        """Write it as the engine takes it."""
        return f"{self.uid}:{self.gid}"


@dataclass(frozen=True)
class Ground:
    """What is the same for all containers of a site on one node.

    `site_id` tells the containers of this site from those of another one on the same
    engine. `host` is the node's address on which the ports of labs are published.
    """

    site_id: str
    node: str
    engine: EngineInfo
    images: tuple[Image, ...]
    homes: Homes = _VOLUMES
    shares: tuple[Share, ...] = ()
    identity: Identity = Identity()
    host: str = "127.0.0.1"
    network: str = "bridge"
    extra_hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Occupant:
    """Whom a container is for, and the devices of the lease that it holds.

    `devices` may name slots for jobs without a GPU; they are in the label only.
    """

    holder: Holder
    user: str
    groups: tuple[str, ...] = ()
    lease: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """The most that a container may have; `shm_bytes` None is a quarter of memory."""

    cpus: float
    memory_bytes: int
    shm_bytes: int | None = None
    pids: int = 4096
    ulimits: tuple[Ulimit, ...] = ()


@dataclass(frozen=True)
class Program:
    """What runs in the container. All of it is Waylab's own, nothing a user's.

    `ports` are published; `mounts` come on top of the home and the shares.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_dir: str | None = None
    ports: tuple[int, ...] = ()
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class Wish:
    """What a task asks for: an image by name or reference, and container options.

    `default_image` names the image of the task's queue, if it has one.
    """

    image: str | None = None
    default_image: str | None = None
    options: Options = field(default_factory=Options)


def lab(
    ground: Ground,
    occupant: Occupant,
    profile: Profile,
    program: Program,
    *,
    image: str | None,
) -> ContainerPlan:
    """Plan a lab: `image` is the name or reference that the user chose, if any.

    Raises:
        ImageRefused: the image is not in the catalogue, the profile or on the node.
        DeviceRefused: the lease names what is no device.
        PlanError: the site does not say where homes are.
    """
    chosen = choose(image, images_of(ground, profile), ground.node)
    limits = Limits(
        cpus=profile.cpus,
        memory_bytes=int(profile.memory_gib * GIB),
        shm_bytes=int(profile.shared_memory_gib * GIB),
        pids=profile.pids,
    )
    return _plan(ground, occupant, chosen, limits, program)


def images_of(ground: Ground, profile: Profile) -> tuple[Image, ...]:
    """Give the images of a profile on a node; the first is the default."""
    offered = on_node(ground.images, ground.node)
    if profile.images == "all":
        return offered
    by_name = {image.name: image for image in offered}
    return tuple(by_name[name] for name in profile.images if name in by_name)


def job(
    ground: Ground,
    occupant: Occupant,
    limits: Limits,
    program: Program,
    wish: Wish,
) -> ContainerPlan:
    """Plan a job within `limits`, as near to what its task asks for as is allowed.

    Raises:
        ImageRefused: the image is not in the catalogue or not on the node.
        LimitRefused: the task's options ask for more than `limits`.
        DeviceRefused: the lease names what is no device.
        PlanError: the site does not say where homes are.
    """
    chosen = choose(wish.image, ground.images, ground.node, default=wish.default_image)
    asked = dict(wish.options.environment)
    program = replace(program, environment={**asked, **program.environment})
    limits = _lowered(limits, wish.options)
    return _plan(ground, occupant, chosen, limits, program)


def _plan(
    ground: Ground,
    occupant: Occupant,
    image: Image,
    limits: Limits,
    program: Program,
) -> ContainerPlan:
    gpus = visible(occupant.devices)
    driver = ground.engine.gpu_driver
    # An engine refuses more CPUs than it has.
    cpus = min(limits.cpus, ground.engine.cpus or limits.cpus)
    own = {k: v for k, v in program.environment.items() if not _is_reserved(k)}
    return ContainerPlan(
        name=container_name(ground.site_id, occupant.holder),
        image=image.reference,
        command=program.command,
        environment={
            "HOME": HOME,
            **_shares_of_the_machine(cpus, limits.memory_bytes),
            **own,
            **gpu_environment(gpus, driver),
        },
        labels=Labels(
            site=ground.site_id,
            holder=occupant.holder,
            user=occupant.user,
            lease=occupant.lease,
            devices=occupant.devices,
            image=image.name,
        ).as_dict(),
        user=str(ground.identity),
        mounts=(
            home(ground.homes, ground.site_id, occupant.user),
            *shares_of(ground.shares, occupant.user, occupant.groups),
            *program.mounts,
        ),
        cpus=cpus,
        memory_bytes=limits.memory_bytes,
        shm_bytes=limits.shm_bytes or limits.memory_bytes // 4,
        pids=limits.pids,
        gpus=gpus,
        gpu_driver=driver,
        ulimits=limits.ulimits,
        publish=tuple(Publish(port, ground.host) for port in program.ports),
        network=ground.network,
        working_dir=program.working_dir or HOME,
        extra_hosts=ground.extra_hosts,
    )


def visible(devices: Sequence[str]) -> tuple[str, ...]:
    """Give the GPUs and slices of a lease; slots are nothing to be seen.

    Raises:
        DeviceRefused: one of them is neither.
    """
    for device in devices:
        if not (_UUID.match(device) or _SLOT.match(device)):
            msg = (
                f"{device[:80]!r} is no device: a lease names UUIDs as GPU-… and "
                "MIG-…, and slots as cpu:<node>:<index>."
            )
            raise DeviceRefused(msg)
    return tuple(device for device in devices if _UUID.match(device))


def gpu_environment(gpus: Sequence[str], driver: GpuDriver) -> dict[str, str]:
    """Give the variables by which NVIDIA's runtime decides what is seen.

    They are always set: under a default nvidia runtime, an image that says `all` would
    see every GPU of the node. With CDI the devices come by name, and not a second time
    through the runtime.
    """
    by_runtime = gpus and driver is GpuDriver.NVIDIA
    return {
        "NVIDIA_VISIBLE_DEVICES": ",".join(gpus) if by_runtime else "void",
        "NVIDIA_DRIVER_CAPABILITIES": DRIVER_CAPABILITIES,
        "WAYLAB_DEVICES": ",".join(gpus),
        **({} if gpus else {"CUDA_VISIBLE_DEVICES": ""}),
    }


def _is_reserved(name: str) -> bool:
    return name.startswith("NVIDIA_") or name in {
        "CUDA_VISIBLE_DEVICES",
        "WAYLAB_DEVICES",
    }


def _shares_of_the_machine(cpus: float, memory_bytes: int) -> dict[str, str]:
    # Numeric libraries would otherwise start a thread for each core of the node.
    cores = str(max(1, int(cpus)))
    return {
        "OMP_NUM_THREADS": cores,
        "CPU_LIMIT": cores,
        "MEM_LIMIT": str(memory_bytes),
    }


def _lowered(limits: Limits, options: Options) -> Limits:
    """Apply what a task asks for; it may ask for less, never for more."""
    if options.cpus is not None and options.cpus > limits.cpus:
        msg = _too_much("--cpus", f"{options.cpus:g} CPUs", f"{limits.cpus:g}")
        raise LimitRefused(msg)
    memory = options.memory_bytes or limits.memory_bytes
    if memory > limits.memory_bytes:
        most = sizes.show(limits.memory_bytes)
        msg = _too_much("--memory", sizes.show(memory), most)
        raise LimitRefused(msg)
    shm = options.shm_bytes or limits.shm_bytes
    if options.shm_bytes is not None and options.shm_bytes > memory:
        asked = sizes.show(options.shm_bytes)
        msg = _too_much("--shm-size", asked, sizes.show(memory))
        raise LimitRefused(msg)
    return Limits(
        cpus=options.cpus or limits.cpus,
        memory_bytes=memory,
        shm_bytes=None if shm is None else min(shm, memory),
        pids=limits.pids,
        ulimits=options.ulimits,
    )


def _too_much(option: str, asked: str, most: str) -> str:
    return (
        f"The container's argument {option} asks for {asked}, and a job has at most "
        f"{most} here: ask for less, or leave it out."
    )
