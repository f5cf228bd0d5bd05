"""The site: what one `waylab.toml` declares, as values.

Only the shape of each value is judged here; whether the parts fit together (a queue's
nodes exist, a profile has a node) is judged by `waylab_site.rules`.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)

from waylab_site.server_layout import server_addresses

SERVICES_QUEUE = "services"
"""The queue for controllers (pipelines, HPO); every site has it."""
HUB_NODE = "hub"
"""What the hub's machine is called where it is none of the site's nodes."""

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=32),
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Number = Annotated[float, Strict()]
LONGEST_DAYS = 36_500


def _is_absolute(text: str) -> str:
    if not text.startswith("/") or ".." in text.split("/") or set(text) & {"\0", ":"}:
        msg = "write an absolute path without '..' and ':'"
        raise ValueError(msg)
    return text


AbsolutePath = Annotated[
    str, StringConstraints(max_length=400), AfterValidator(_is_absolute)
]


def _has_no_password(url: str) -> str:
    if "password=" in url.lower():
        msg = "write it without a password: WAYLAB_TRACKING_DATABASE_URL takes one"
        raise ValueError(msg)
    return url


REFERENCE = (
    r"^[a-z0-9][a-z0-9._:/-]*[a-z0-9](:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(@sha256:[0-9a-f]{64})?$"
)
DATABASE = (
    r"^postgresql\+psycopg://([^\s:/?#@]+@)?[^\s/?#@]*/[A-Za-z0-9_.-]+"
    r"(\?[^\s#@]*)?$"
)
STORE = r"^[a-z][a-z0-9+]*://[^\s?#@]+$"
Text = Annotated[str, StringConstraints(max_length=400)]
ServerUrl = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s/][^\s]*[^\s/]$", max_length=400),
]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class General(_Table):
    """The table `[site]`: what concerns the whole site."""

    name: Title = "Waylab"
    shared_account: StrictBool = False
    internal_address: Literal["auto"] | IPv4Address = "auto"


class Labs(_Table):
    """The table `[labs]`: what holds for every lab."""

    start_timeout_seconds: StrictInt = Field(default=120, ge=10, le=3600)
    idle_hours: Number = Field(default=0, ge=0, le=24 * 365)
    named_servers_per_user: StrictInt = Field(default=0, ge=0, le=100)


class Jobs(_Table):
    """The table `[jobs]`: what holds for every job."""

    services_slots: StrictInt = Field(default=8, ge=1, le=256)
    unknown_owner: Annotated[str, StringConstraints(max_length=64)] | None = None


class Tracking(_Table):
    """The table `[tracking]`: the embedded server, or a ClearML Server for it.

    A server in its standard layout is named by `url` alone: the three addresses follow
    from it.
    """

    url: ServerUrl | None = None
    api_url: ServerUrl | None = None
    web_url: ServerUrl | None = None
    files_url: ServerUrl | None = None
    database: (
        Annotated[
            str,
            StringConstraints(pattern=DATABASE, max_length=400),
            AfterValidator(_has_no_password),
        ]
        | None
    ) = None
    files: Annotated[str, StringConstraints(pattern=STORE, max_length=400)] | None = (
        None
    )
    files_quota_gib: Number = Field(default=0, ge=0)
    keys_days: Number = Field(default=30, gt=0)
    archived_days: Number = Field(default=0, ge=0, le=LONGEST_DAYS)
    logs_days: Number = Field(default=0, ge=0, le=LONGEST_DAYS)
    images_days: Number = Field(default=0, ge=0, le=LONGEST_DAYS)

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, given: Any) -> Any:
        """Write out the addresses that follow from `url`."""
        if not isinstance(given, dict) or not isinstance(given.get("url"), str):
            return given
        if not given["url"].startswith(("http://", "https://")):
            return given  # The field's own pattern says so.
        derived = server_addresses(given["url"])._asdict()
        for name, address in derived.items():
            # What was derived before comes back with a site that was written out.
            if given.get(name) not in (None, address):
                msg = (
                    f"url means {name} = {address}, and {name} says otherwise: write "
                    "url alone, or api_url, web_url and files_url alone"
                )
                raise ValueError(msg)
        return {**given, **derived}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.files or self.database) and self.api_url is not None:
            msg = (
                f"{'files' if self.files else 'database'} is of the embedded server: a "
                "ClearML Server has places of its own"
            )
            raise ValueError(msg)
        limits = ("files_quota_gib", "archived_days", "logs_days", "images_days")
        for name in limits if self.api_url is not None else ():
            if getattr(self, name):
                msg = (
                    f"{name} is of the embedded server: a ClearML Server has limits of "
                    "its own"
                )
                raise ValueError(msg)
        if (
            len({url is None for url in (self.api_url, self.web_url, self.files_url)})
            > 1
        ):
            msg = (
                "write url of a ClearML Server, or all of api_url, web_url and "
                "files_url, or none"
            )
            raise ValueError(msg)
        return self

    @property
    def is_external(self) -> bool:
        """Whether users bring their own ClearML keys."""
        return self.api_url is not None


class HomesKind(StrEnum):
    """What a user's home in Docker labs and jobs is."""

    VOLUME = "volume"
    """A named volume: for a single engine."""
    FOLDER = "folder"
    """A folder that every node mounts at the same path."""


class Homes(_Table):
    """The table `[homes]`: where the homes of Docker labs and jobs are."""

    kind: HomesKind = HomesKind.VOLUME
    path: AbsolutePath | None = None


class Group(_Table):
    """Users who see shares and projects together."""

    name: Name
    members: tuple[
        Annotated[str, StringConstraints(min_length=1, max_length=64)], ...
    ] = ()


class Share(_Table):
    """A folder or a volume that labs and jobs see at the same place.

    `{user}` in `path` and `mount` stands for the user's name.
    """

    name: Name
    mount: AbsolutePath
    mode: Literal["ro", "rw"] = "ro"
    groups: tuple[str, ...] = ()
    path: AbsolutePath | None = None
    volume: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
        | None
    ) = None


class Image(_Table):
    """An image of the catalogue; labs and jobs use no other."""

    name: Name
    title: Title
    reference: Annotated[str, StringConstraints(pattern=REFERENCE, max_length=255)]
    description: Text = ""
    nodes: Literal["all"] | tuple[Name, ...] = Field(default="all")


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
    engine: (
        Literal["auto", "none", "simulated"]
        | Annotated[str, StringConstraints(pattern=r"^(unix|tcp|ssh)://\S+$")]
    ) = "auto"
    engine_tls: AbsolutePath | None = None
    large: StrictBool = False

    @property
    def is_simulated(self) -> bool:
        """Whether it is an engine with simulated GPUs on the hub's machine."""
        return self.engine == "simulated"

    @property
    def names_engine(self) -> bool:
        """Whether the site says by which engine it runs labs and jobs."""
        return self.engine not in {"auto", "none"}

    @property
    def is_local(self) -> bool:
        """Whether it is the hub's own machine itself."""
        return self.address == "local" and not self.is_simulated

    @property
    def is_here(self) -> bool:
        """Whether its agent runs on the hub's machine."""
        return self.is_local or self.is_simulated


class Priority(StrEnum):
    """How soon a queue is served, compared with others of its node."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Smaller is sooner."""
        return list(Priority).index(self)


class OnLost(StrEnum):
    """What becomes of a job whose agent is gone."""

    FAIL = "fail"
    REQUEUE = "requeue"


class Queue(_Table):
    """A ClearML queue and the nodes whose agents serve it."""

    name: Name
    description: Text = ""
    priority: Priority = Field(default=Priority.MEDIUM)
    nodes: Literal["all"] | tuple[Name, ...] = Field(default="all")
    gpus: Annotated[StrictInt, Field(ge=0, le=64)] | None = None
    image: Name | None = None
    on_lost: OnLost = Field(default=OnLost.FAIL)
    requeues: StrictInt = Field(default=2, ge=0, le=100)

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
    max_gpus: Annotated[StrictInt, Field(ge=1, le=64)] | None = None
    gpu_model: Title | None = None
    gpu_min_memory_gib: Number = Field(default=0, ge=0, le=4096)
    mig_profile: (
        Annotated[str, StringConstraints(pattern=r"^[0-9]g\.[0-9]+gb(\+\w+)?$")] | None
    ) = None
    images: Literal["all"] | tuple[Name, ...] = Field(default="all")
    time_limit_hours: Annotated[Number, Field(gt=0, le=24 * 366)] | None = None
    max_time_limit_hours: Annotated[Number, Field(gt=0, le=24 * 366)] | None = None
    cpus: StrictInt = Field(default=1, ge=1, le=4096)
    memory_gib: Number = Field(default=2, gt=0, le=65536)
    shm_gib: Annotated[Number, Field(gt=0, le=65536)] | None = None
    pids: StrictInt = Field(default=4096, ge=64, le=4_194_304)

    @property
    def shared_memory_gib(self) -> float:
        """Size of `/dev/shm`: a quarter of the memory unless it is given.

        The 64 MB that Docker gives by itself break data loaders.
        """
        return self.memory_gib / 4 if self.shm_gib is None else self.shm_gib

    @property
    def most_gpus(self) -> int:
        """The largest number of GPUs that may be asked for."""
        return max(self.gpus, self.max_gpus or 0)

    def may_use(self, node: Node) -> bool:
        """Tell whether its selector admits a node."""
        return self.nodes == "all" or node.name in self.nodes


class Site(_Table):
    """The whole of `waylab.toml`."""

    site: General = General()
    labs: Labs = Labs()
    jobs: Jobs = Jobs()
    tracking: Tracking = Tracking()
    homes: Homes = Homes()
    nodes: tuple[Node, ...]
    queues: tuple[Queue, ...]
    images: tuple[Image, ...] = ()
    profiles: tuple[Profile, ...]
    shares: tuple[Share, ...] = ()
    groups: tuple[Group, ...] = ()

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """The members of each group; empty where the hub's admins keep the groups."""
        return {group.name: group.members for group in self.groups}

    @property
    def local_node(self) -> Node | None:
        """The hub's own machine, if it is a node."""
        return next((node for node in self.nodes if node.is_local), None)

    def queues_of(self, node: Node) -> tuple[str, ...]:
        """Name the queues that a node serves, the most urgent first."""
        served = [queue for queue in self.queues if queue.is_served_by(node)]
        return tuple(q.name for q in sorted(served, key=lambda q: q.priority.rank))
