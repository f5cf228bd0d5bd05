"""What a world around a ledger is made of."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from waylab_ledger.values import (
    Device,
    Lease,
    NodeReport,
    Proof,
)

USERS = 30
START = datetime(2026, 1, 1, tzinfo=UTC)
QUEUES = {"vision": ("vision",), "nlp": ("nlp",), "default": ()}
SIZES = {"vision": 2, "nlp": 4}
HOUR = timedelta(hours=1)
GIB = 2**30
DEEP_EVERY = 10
"""So often what is stored is compared with what is in memory, too."""


IDLE = object()
"""What an operation gives that had nothing to do."""


class ViolationError(AssertionError):
    """Something happened that must not."""


@dataclass
class Container:
    """What an engine has."""

    id: str
    lease: str
    holder: str
    devices: tuple[str, ...]
    state: str = "created"


@dataclass
class Start:
    """A holder that its taker is starting; each stage is one step."""

    lease: Lease
    stage: str = "taken"
    container: str | None = None


@dataclass
class Stop:
    """A holder that somebody is ending."""

    lease: str
    node: str
    container: str | None
    engine: str


@dataclass
class Program:
    """A process that takes leases; what it is about to do dies with it."""

    role: str
    epoch: str
    starts: list[Start] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    owed: list[tuple[str, Proof]] = field(default_factory=list)
    """Proofs that the ledger refused or did not hear: told again."""


@dataclass
class Node:
    """A machine: its engine, its agent's memory, and whether it can be reached."""

    name: str
    devices: tuple[Device, ...]
    engine: str
    containers: dict[str, Container] = field(default_factory=dict)
    reachable: bool = True
    seen: int = 0
    looks: deque[NodeReport] = field(default_factory=lambda: deque(maxlen=3))
    journal: list[str] = field(default_factory=list)
    """Leases of jobs that its agent took: survives the agent."""


@dataclass
class Counts:
    """What happened, to show that a drive went everywhere."""

    operations: Counter[str] = field(default_factory=Counter)
    leases: int = 0
    refused_proofs: int = 0
