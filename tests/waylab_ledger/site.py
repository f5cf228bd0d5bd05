"""The site of these tests: two nodes with GPUs, and programs that speak for them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from waylab_ledger.ledger import Ledger
from waylab_ledger.values import (
    Device,
    DeviceKind,
    Found,
    Holder,
    Lease,
    LeaseState,
    NodeReport,
    Proof,
    ProofKind,
    Request,
    Selector,
    Ticket,
)
from waylab_ledger.views import NodePlan, ReportOutcome

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GIB = 2**30
_numbers = itertools.count()


def gpu(
    node: str,
    index: int,
    *,
    model: str = "A100",
    gib: int = 80,
    link: str | None = None,
) -> Device:
    """Give a GPU."""
    return Device(
        id=f"GPU-{node}-{index}",
        node=node,
        kind=DeviceKind.GPU,
        index=index,
        model=model,
        memory_bytes=gib * GIB,
        link_group=link,
    )


def lab(user: str, selector: Selector | None = None, **rest: object) -> Request:
    """Give a lab's request; its key is new."""
    request = Request(
        key=f"key{next(_numbers)}",
        holder=Holder.lab(user),
        user=user,
        selector=selector or Selector(),
    )
    return _with(request, rest)


def job(task: str, selector: Selector | None = None, **rest: object) -> Request:
    """Give a task's request."""
    request = Request(
        key=task,
        holder=Holder.job(task),
        user="ann",
        selector=selector or Selector(),
        queue="default",
    )
    return _with(request, rest)


def _with(request: Request, rest: dict[str, object]) -> Request:
    values = {name: getattr(request, name) for name in request.__dataclass_fields__}
    return Request(**{**values, **rest})


@dataclass
class Site:
    """A ledger with its nodes up, and a clock that the test moves."""

    ledger: Ledger
    now: datetime = NOON
    hub: str = "hub-1"
    engines: dict[str, str] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    devices: dict[str, tuple[Device, ...]] = field(default_factory=dict)

    def pass_(self, seconds: float) -> None:
        """Let time pass (or the clock jump)."""
        self.now += timedelta(seconds=seconds)

    def add(self, name: str, *devices: Device) -> None:
        """Let a node report for the first time."""
        self.devices[name] = devices
        self.engines[name] = f"engine-{name}"
        self.agents[name] = f"agent-{name}-1"
        self.report(name)

    def report(self, name: str, *found: Found, **rest: object) -> ReportOutcome:
        """Report what a node's agent sees now, having read the last answer."""
        values: dict[str, object] = {
            "node": name,
            "epoch": self.agents[name],
            "began_at": self.now,
            "devices": self.devices[name],
            "found": found,
            "complete": True,
            "engine_id": self.engines[name],
            "seen": self.seen.get(name, 0),
        }
        outcome = self.ledger.report(
            NodeReport(**{**values, **rest}),  # type: ignore[arg-type]
            self.now,
        )
        self.seen[name] = outcome.version
        return outcome

    def ask(self, request: Request) -> Lease:
        """Get a lease at once, granted to the hub."""
        answer = self.ledger.submit(request, self.now, self.hub)
        assert isinstance(answer, Lease)
        assert answer.state is LeaseState.GRANTED
        return answer

    def wait(self, request: Request) -> Ticket:
        """Get a ticket, because there is no device."""
        answer = self.ledger.submit(request, self.now, self.hub)
        assert isinstance(answer, Ticket)
        return answer

    def run(self, request: Request) -> Lease:
        """Get a lease and activate it on its node's engine."""
        lease = self.ask(request)
        engine = self.engines[lease.node]
        return self.ledger.activate(lease.id, self.now, engine, f"box-{lease.id}")

    def gone(self, lease: Lease, kind: ProofKind = ProofKind.NO_CONTAINER) -> Proof:
        """Give a proof by the right engine."""
        return Proof(kind, self.hub, engine_id=self.engines[lease.node])

    def never(self) -> Proof:
        """Give the hub's word that it started nothing."""
        return Proof(ProofKind.NEVER_STARTED, self.hub)

    def held(self) -> dict[str, str]:
        """Give leases by the devices that they hold."""
        shot = self.ledger.snapshot(self.now)
        return {d.device.id: d.lease for d in shot.devices if d.lease is not None}

    def state(self, lease: Lease) -> LeaseState:
        """Give a lease's state now."""
        return self.ledger.lease(lease.id).state


def box(lease: Lease, state: str = "running") -> Found:
    """Give the container of a lease as an agent sees it."""
    holder = str(lease.request.holder)
    return Found(f"box-{lease.id}", lease.id, holder, lease.devices, state)


def two_nodes(ledger: Ledger) -> Site:
    """Give a site with `vision` (2 GPUs) and `nlp` (4), both up."""
    site = Site(ledger)
    ledger.declare([NodePlan("vision"), NodePlan("nlp", large=True)], site.now)
    ledger.epoch("hub", site.hub, site.now)
    site.add("vision", *(gpu("vision", i, model="RTX 4090", gib=24) for i in range(2)))
    site.add("nlp", *(gpu("nlp", i, link=f"pair{i // 2}") for i in range(4)))
    return site
