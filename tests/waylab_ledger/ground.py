"""A world that stands still: what is there, and how it is judged."""

from __future__ import annotations

import itertools
import random
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.waylab_ledger.parts import (
    DEEP_EVERY,
    GIB,
    QUEUES,
    SIZES,
    START,
    Counts,
    Node,
    Program,
    ViolationError,
)

from waylab_ledger.errors import Conflict, NotFound
from waylab_ledger.ledger import Ledger
from waylab_ledger.values import (
    Device,
    DeviceKind,
    Found,
    Lease,
    NodeReport,
    Proof,
    ProofKind,
    Request,
    Ticket,
)
from waylab_ledger.views import NodePlan


class Ground:
    """One ledger, the true state of its world, and its judge."""

    def __init__(self, ledger: Ledger, dice: random.Random) -> None:
        self.ledger = ledger
        self.dice = dice
        self.seconds = 0.0
        self.jumped = timedelta(0)
        self.numbers = itertools.count()
        self.counts = Counts()
        self.judged = 0
        self.nodes = {name: self._node(name, size) for name, size in SIZES.items()}
        self.late: list[Callable[[], None]] = []
        """Calls to engines whose callers no longer wait for them."""
        self.queues: dict[str, list[Request]] = {name: [] for name in QUEUES}
        self.tickets: dict[str, str] = {}
        """Open tickets that were given out, and their holders."""
        self.keys: list[Request] = []
        self.history: deque[str] = deque(maxlen=60)
        ledger.declare([NodePlan("vision"), NodePlan("nlp", large=True)], self.now)
        self.hub = self._begin("hub")
        self.agents = {name: self._begin(f"agent:{name}") for name in self.nodes}
        for name in self.nodes:
            self._look_and_tell(name)

    @property
    def now(self) -> datetime:
        """The time that the clocks show."""
        return START + timedelta(seconds=self.seconds) + self.jumped

    def judge(self) -> None:
        """Say what must not be.

        Raises:
            ViolationError: a device has two users, a hold is without its lease, ...
        """
        self.judged += 1
        is_deep = self.judged % DEEP_EVERY == 0
        wrong = list(self.ledger.check(stored=is_deep))
        leases = {one.id for one in self.ledger.snapshot(self.now).leases}
        for node in self.nodes.values():
            users = Counter(
                device
                for one in node.containers.values()
                if one.state == "running"
                for device in one.devices
            )
            wrong += [f"{d} is used by {n}" for d, n in users.items() if n > 1]
            wrong += [
                f"{one} runs without a lease"
                for one in node.containers.values()
                if one.state == "running" and one.lease not in leases
            ]
        if wrong:
            raise ViolationError("; ".join([*wrong, f"after {list(self.history)}"]))

    def _leases(self) -> list[Lease]:
        shot = self.ledger.snapshot(self.now)
        self._check_tickets(shot.tickets)
        return list(shot.leases)

    def _check_tickets(self, open_: tuple[Ticket, ...]) -> None:
        """A ticket that was given out is open, or closed for a reason that is true."""
        here = {one.id for one in open_}
        for id_ in list(self.tickets):
            if id_ in here:
                continue
            try:
                ticket = self.ledger.ticket(id_)
            except NotFound as error:
                msg = f"ticket {id_} is lost"
                raise ViolationError(msg) from error
            if ticket.reason not in {
                "taken",
                "not claimed",
                "replaced by another request",
            }:
                msg = f"{ticket} was closed by nobody"
                raise ViolationError(msg)
            del self.tickets[id_]

    def _begin(self, role: str) -> Program:
        epoch = f"{role}#{next(self.numbers)}"
        self.ledger.epoch(role, epoch, self.now)
        return Program(role, epoch)

    def _program(self, has_work: Callable[[Program], bool]) -> Program | None:
        busy = [one for one in (self.hub, *self.agents.values()) if has_work(one)]
        return self.dice.choice(busy) if busy else None

    def _any_node(self) -> Node:
        return self.nodes[self.dice.choice(list(self.nodes))]

    def _node(self, name: str, size: int) -> Node:
        model, memory = ("RTX 4090", 24) if name == "vision" else ("A100", 80)
        devices = tuple(
            Device(
                id=f"GPU-{name}-{index}",
                node=name,
                kind=DeviceKind.GPU,
                index=index,
                model=model,
                memory_bytes=memory * GIB,
                link_group=f"{name}-{index // 2}",
                simulated=True,
            )
            for index in range(size)
        )
        return Node(name, devices, f"e{next(self.numbers)}")

    def _look(
        self,
        node: Node,
        *,
        complete: bool,
        is_right: bool = True,
        has_engine: bool = True,
    ) -> NodeReport:
        found = tuple(
            Found(one.id, one.lease, one.holder, one.devices, one.state)
            for one in node.containers.values()
        )
        engine: str | None = node.engine
        if not has_engine:  # The agent was started without one, and sees processes.
            found, engine = (), None
        elif not complete:
            found = found[: self.dice.randrange(len(found) + 1)]
        elif not is_right:  # The agent is shown to another engine, an empty one.
            found, engine = (), f"not-{engine}"
        return NodeReport(
            node=node.name,
            epoch=self.agents[node.name].epoch,
            began_at=self.now,
            devices=node.devices,
            found=found,
            complete=complete,
            engine_id=engine if complete or self.dice.random() < 0.5 else None,
            seen=node.seen,
            processes=not has_engine,
        )

    def _tell(self, node: Node, told: NodeReport, *, is_heard: bool = True) -> None:
        try:
            outcome = self.ledger.report(told, self.now)
        except Conflict:  # From an agent that is dead.
            if told.epoch == self.agents[node.name].epoch:
                raise
            return
        if is_heard and told.epoch == self.agents[node.name].epoch:
            node.seen = max(node.seen, outcome.version)
            for orphan in outcome.orphans:
                node.containers.pop(orphan.id, None)

    def _look_and_tell(self, name: str) -> None:
        node = self.nodes[name]
        self._tell(node, self._look(node, complete=True))

    def _release(self, program: Program, lease: str, proof: Proof) -> None:
        if self.dice.random() < 0.1:  # The board is away.
            program.owed.append((lease, proof))
            return
        try:
            self.ledger.release(lease, proof, self.now)
            if self.dice.random() < 0.1:
                self.ledger.release(lease, proof, self.now)
        except Conflict:
            self.counts.refused_proofs += 1

    def _never(self, program: Program) -> Proof:
        by = self.dice.choice((program.epoch, program.role))
        return Proof(ProofKind.NEVER_STARTED, by)

    def _known(self, lease: str) -> bool:
        """Tell whether something was ever begun for a lease."""
        stops = (one.lease for one in self.hub.stops)
        starts = (one.lease.id for one in self.hub.starts)
        return lease in (*stops, *starts) or any(
            box.lease == lease
            for node in self.nodes.values()
            for box in node.containers.values()
        )
