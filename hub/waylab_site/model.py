"""The site: what one `waylab.toml` declares, as values.

Only the shape of each value is judged here; whether the parts fit together (a queue's
nodes exist, a profile has a node) is judged by `waylab_site.rules`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StringConstraints,
)

SERVICES_QUEUE = "services"
"""The queue for controllers (pipelines, HPO); every site has it."""

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=32),
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Number = Annotated[float, Strict()]
Text = Annotated[str, StringConstraints(max_length=400)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class General(_Table):
    """The table `[site]`: what concerns the whole site."""

    name: Title = "Waylab"
    shared_account: StrictBool = False


class Labs(_Table):
    """The table `[labs]`: what holds for every lab."""

    start_timeout_seconds: StrictInt = Field(default=120, ge=10, le=3600)
    idle_hours: Number = Field(default=0, ge=0, le=24 * 365)
    named_servers_per_user: StrictInt = Field(default=0, ge=0, le=100)


class Jobs(_Table):
    """The table `[jobs]`: what holds for every job."""

    services_slots: StrictInt = Field(default=8, ge=1, le=256)


class GpuGroup(_Table):
    """Equal GPUs of a node."""

    model: Title
    count: StrictInt = Field(ge=1, le=64)
    memory_gib: Number = Field(gt=0, le=4096)


class Node(_Table):
    """A machine with devices; `address` is `local` for the hub's own."""

    name: Name
    description: Text = ""
    address: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$", max_length=253)
    ] = "local"
    devices: Literal["auto", "cpu"] | tuple[GpuGroup, ...] = Field(default="auto")
    cpu_slots: Literal["auto"] | Annotated[StrictInt, Field(ge=1, le=1024)] = "auto"
    cores: Annotated[StrictInt, Field(ge=1, le=4096)] | None = None
    memory_gib: Annotated[Number, Field(gt=0, le=65536)] | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is the hub's own machine."""
        return self.address == "local"


class Priority(StrEnum):
    """How soon a queue is served, compared with others of its node."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Smaller is sooner."""
        return list(Priority).index(self)


class Queue(_Table):
    """A ClearML queue and the nodes whose agents serve it."""

    name: Name
    description: Text = ""
    priority: Priority = Field(default=Priority.MEDIUM)
    nodes: Literal["all"] | tuple[Name, ...] = Field(default="all")

    def is_served_by(self, node: Node) -> bool:
        """Tell whether a node's agent takes jobs from it."""
        return self.nodes == "all" or node.name in self.nodes


class Profile(_Table):
    """A choice on the spawn page."""

    name: Name
    title: Title
    description: Text = ""
    nodes: Literal["all"] | tuple[Name, ...] = Field(default="all")
    gpus: StrictInt = Field(default=0, ge=0, le=64)
    gpu_model: Title | None = None
    cpus: StrictInt = Field(default=1, ge=1, le=4096)
    memory_gib: Number = Field(default=2, gt=0, le=65536)

    def may_use(self, node: Node) -> bool:
        """Tell whether its selector admits a node."""
        return self.nodes == "all" or node.name in self.nodes


class Site(_Table):
    """The whole of `waylab.toml`."""

    site: General = General()
    labs: Labs = Labs()
    jobs: Jobs = Jobs()
    nodes: tuple[Node, ...]
    queues: tuple[Queue, ...]
    profiles: tuple[Profile, ...]

    @property
    def local_node(self) -> Node | None:
        """The hub's own machine, if it is a node."""
        return next((node for node in self.nodes if node.is_local), None)

    def queues_of(self, node: Node) -> tuple[str, ...]:
        """Name the queues that a node serves, the most urgent first."""
        served = [queue for queue in self.queues if queue.is_served_by(node)]
        return tuple(q.name for q in sorted(served, key=lambda q: q.priority.rank))
