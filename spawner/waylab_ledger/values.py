"""What the ledger speaks of: devices, requests, tickets, leases and proofs.

Times are aware and in UTC, memory is in bytes, durations are in seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class DeviceKind(StrEnum):
    """What a lease can name."""

    GPU = "gpu"
    MIG = "mig"
    CPU = "cpu"
    """A slot for a job without a GPU."""
    SERVICE = "service"
    """A slot for a controller; on the hub's machine only."""


@dataclass(frozen=True)
class Device:
    """One device of a node's inventory.

    `id` is the UUID that the driver tells (`GPU-…`, `MIG-…`), or for a slot
    `cpu:<node>:<index>` or `service:<node>:<index>`. Devices of one `link_group` are
    joined by NVLink. `parent` is the UUID of a MIG slice's GPU; a GPU that is cut into
    slices is not in the inventory itself.
    """

    id: str
    node: str
    kind: DeviceKind
    index: int
    model: str = ""
    memory_bytes: int = 0
    parent: str | None = None
    mig_profile: str | None = None
    link_group: str | None = None
    simulated: bool = False


@dataclass(frozen=True)
class Selector:
    """Which devices a request asks for; all of them on one node.

    `nodes` is empty where any node will do. `model` is a part of the device's model,
    in any case. `mig_profile` (`1g.10gb`) asks for slices, else whole GPUs are meant.
    """

    kind: DeviceKind = DeviceKind.GPU
    count: int = 1
    nodes: tuple[str, ...] = ()
    model: str | None = None
    min_memory_bytes: int = 0
    mig_profile: str | None = None


class HolderKind(StrEnum):
    """What holds a lease."""

    LAB = "lab"
    JOB = "job"


_HOLDER = re.compile(r"^(?:lab:[^/\s]+/[a-z0-9-]*|job:[A-Za-z0-9_-]+)$")


@dataclass(frozen=True)
class Holder:
    """`lab:<user>/<server>` (the server's name is empty for the first) or `job:<task>`.

    Raises:
        ValueError: the text is neither.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what is no holder."""
        if not _HOLDER.match(self.text):
            msg = (
                f"{self.text!r} is no holder: write lab:<user>/<server> or job:<task>."
            )
            raise ValueError(msg)

    @classmethod
    def lab(cls, user: str, server: str = "") -> Holder:
        """Give the holder of a user's lab."""
        return cls(f"lab:{user}/{server}")

    @classmethod
    def job(cls, task: str) -> Holder:
        """Give the holder of a task."""
        return cls(f"job:{task}")

    @property
    def kind(self) -> HolderKind:
        """Whether it is a lab or a job."""
        return HolderKind(self.text.split(":", 1)[0])

    def __str__(self) -> str:
        """Give the text."""
        return self.text


@dataclass(frozen=True)
class Request:
    """The wish for a lease.

    `key` makes it idempotent: a second request with the same key gets the first one's
    answer. `priority` is a rank, smaller is sooner (0 high, 1 medium, 2 low). A job's
    `queue` is the ClearML queue that it waits in. `note` is what the board shows.
    `options` are a lab's user options as JSON text: with them it is started when its
    ticket's turn comes.
    """

    key: str
    holder: Holder
    user: str
    selector: Selector
    priority: int = 0
    groups: tuple[str, ...] = ()
    project: str = ""
    queue: str | None = None
    limit_seconds: int | None = None
    note: str = ""
    options: str = ""


class LeaseState(StrEnum):
    """How far a lease is; a device is held in every state but the last."""

    PENDING = "pending"
    """Set aside for a holder that has not come for it yet."""
    GRANTED = "granted"
    """The holder came; its container or process is being started."""
    ACTIVE = "active"
    """The holder runs."""
    RELEASING = "releasing"
    """Its end was asked for and is not proven yet."""
    LOST = "lost"
    """Nobody can tell whether the holder runs: still held."""
    RELEASED = "released"


class ProofKind(StrEnum):
    """On what a device may be freed."""

    NEVER_STARTED = "never-started"
    """The holder did not come, or gave the lease back before it started anything."""
    NO_CONTAINER = "no-container"
    """The right engine answered that there is no such container."""
    EXITED = "exited"
    """The right engine answered that the container has exited."""
    PROCESSES_GONE = "processes-gone"
    SLURM_ENDED = "slurm-ended"
    FENCED = "fenced"
    """An admin declared that nothing runs on the node any more."""


@dataclass(frozen=True)
class Proof:
    """Why it is certain that a holder is gone; `by` says who saw it."""

    kind: ProofKind
    by: str
    detail: str = ""
    engine_id: str | None = None


@dataclass(frozen=True)
class Lease:
    """The exclusive hold of devices.

    `taker` is the process (an id made anew at each of its starts) that took the lease
    and may be starting its holder. `take_by` is set while it is pending; `until` is
    the end of its time limit, counted from `started_at`. `engine_id` and `found` name
    the engine and the container that it was activated with (`engine_id` is None for
    a process). Only a look that began after the ledger's version `known_version` was
    told proves that the holder is gone. `before` is the state that it was lost from.
    """

    id: str
    request: Request
    node: str
    devices: tuple[str, ...]
    state: LeaseState
    since: datetime
    ticket: str | None = None
    taker: str | None = None
    take_by: datetime | None = None
    started_at: datetime | None = None
    until: datetime | None = None
    released_at: datetime | None = None
    proof: Proof | None = None
    reason: str = ""
    """Why it is lost or releasing, in a sentence."""
    engine_id: str | None = None
    found: str | None = None
    known_version: int = 0
    before: LeaseState | None = None

    @property
    def was_activated(self) -> bool:
        """Whether its holder is known to have run."""
        return self.started_at is not None


class TicketState(StrEnum):
    """How far a ticket is."""

    WAITING = "waiting"
    GRANTED = "granted"
    """A lease is set aside for it."""
    CLOSED = "closed"


@dataclass(frozen=True)
class Ticket:
    """A place in the line for a lease.

    `reason` tells why it was closed. Within one queue the order of the queue rules
    (`queue_position`, from 0), whatever the time of creation. `serial` counts arrivals;
    it orders them whatever the clocks say. `overtaken` counts the later requests that
    took what this one could have used; at the bound of it a node, `target`, is kept
    for this one.
    """

    id: str
    request: Request
    created_at: datetime
    state: TicketState
    queue_position: int | None = None
    lease: str | None = None
    closed_at: datetime | None = None
    reason: str = ""
    serial: int = 0
    overtaken: int = 0
    target: str | None = None


class NodeState(StrEnum):
    """Whether a node takes new leases."""

    UP = "up"
    DRAINED = "drained"
    """An admin wants no new leases on it; what runs goes on."""
    DOWN = "down"
    """Its agent is silent: no new leases, and its holders are out of sight."""


@dataclass(frozen=True)
class Found:
    """A lab's or a job's container or process that a node sees.

    `state` is the engine's word (`created`, `running`, `exited`, …).
    """

    id: str
    lease: str
    holder: str
    devices: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class NodeReport:
    """What a node's agent sees at one moment.

    `complete` says that `found` is everything there is, read from the right engine
    after `began_at`; only such a report proves an absence. `seen` is the version that
    the ledger's last answer told before the look began: it orders the look among the
    ledger's changes without any clock; without it `began_at` has to do. `processes`
    says that `found` has every marked process too, whoever started it.
    `utilisation` is by device, `{"gpu_percent": …, "memory_used_bytes": …}`.
    """

    node: str
    epoch: str
    began_at: datetime
    devices: tuple[Device, ...]
    found: tuple[Found, ...] = ()
    complete: bool = False
    engine_id: str | None = None
    utilisation: dict[str, dict[str, float]] = field(default_factory=dict)
    trouble: str = ""
    seen: int | None = None
    processes: bool = False
