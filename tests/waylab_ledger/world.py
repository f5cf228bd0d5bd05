"""A small true world around a ledger: engines, a hub, agents, clocks that jump.

Programs keep the protocol, but die at any point; calls to engines take effect late;
looks are delivered late, twice or never; answers are lost. The ledger is told only what
these programs would know. What really runs is known here, so that it can be judged.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from waylab_ledger.errors import Conflict, LeaseGone, NotFound, Refused
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
    TicketState,
)
from waylab_ledger.views import NodePlan

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


class World:
    """Drives one ledger at random, and judges it after each operation."""

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

    OPERATIONS: tuple[tuple[str, int], ...] = (
        ("submit", 14),
        ("submit_again", 2),
        ("enqueue", 8),
        ("dequeue", 2),
        ("mirror", 8),
        ("decide", 16),
        ("take", 20),
        ("go_on_starting", 40),
        ("begin_stop", 10),
        ("go_on_stopping", 30),
        ("tell_owed", 3),
        ("exit_by_itself", 4),
        ("look", 24),
        ("deliver", 26),
        ("finish_late_call", 4),
        ("give_up", 2),
        ("restart_hub", 1),
        ("restart_agent", 1),
        ("lose_node", 1),
        ("find_node", 6),
        ("reboot_node", 1),
        ("jump", 1),
        ("sweep", 6),
        ("drain", 2),
        ("fence", 1),
        ("wait", 10),
    )

    def step(self) -> str:
        """Do one operation at random, and judge."""
        names = [name for name, _ in self.OPERATIONS]
        weights = [weight for _, weight in self.OPERATIONS]
        while True:
            name = self.dice.choices(names, weights)[0]
            if self.do(name):
                return name

    def do(self, name: str) -> bool:
        """Do one operation, and judge; False if there was nothing to do it to."""
        self.seconds += 0.01
        if getattr(self, name)() is IDLE:
            return False
        self.history.append(name)
        self.counts.operations[name] += 1
        self.judge()
        return True

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

    # What users do.

    def submit(self) -> None:
        user = f"u{self.dice.randrange(USERS)}"
        selector = self.dice.choice(
            (
                Selector(),
                Selector(),
                Selector(count=2),
                Selector(count=4),
                Selector(nodes=("vision",)),
                Selector(nodes=("nlp",), count=3),
                Selector(model="a100"),
                Selector(min_memory_bytes=40 * GIB, count=2),
                Selector(count=5),
                Selector(kind=DeviceKind.CPU),
            )
        )
        request = Request(
            key=f"k{next(self.numbers)}",
            holder=Holder.lab(user, self.dice.choice(("", "", "b"))),
            user=user,
            selector=selector,
            groups=("all",),
            priority=self.dice.choice((0, 0, 0, 1, 2)),
            limit_seconds=self.dice.choice((None, 60, 3600, 24 * 3600)),
        )
        self.keys.append(request)
        self._request(request)

    def submit_again(self) -> object:
        if not self.keys:
            return IDLE
        self._request(self.dice.choice(self.keys[-20:]))
        return None

    def _request(self, request: Request) -> None:
        taker = self.hub.epoch if self.dice.random() < 0.7 else None
        try:
            answer = self.ledger.submit(request, self.now, taker)
        except Refused:
            if request.selector.count <= 4 and request.selector.kind == "gpu":
                raise
            return
        except Conflict:
            held = {str(one.request.holder) for one in self._leases()}
            if str(request.holder) not in held:
                raise
            return
        if isinstance(answer, Ticket):
            if answer.state is not TicketState.CLOSED:
                self.tickets[answer.id] = str(request.holder)
            return
        is_new = (
            answer.state is LeaseState.GRANTED
            and answer.taker == self.hub.epoch
            and answer.since == self.now
            and not self._known(answer.id)
        )
        if is_new:
            self.hub.starts.append(Start(answer))
            self.counts.leases += 1

    def _known(self, lease: str) -> bool:
        """Tell whether something was ever begun for a lease."""
        stops = (one.lease for one in self.hub.stops)
        starts = (one.lease.id for one in self.hub.starts)
        return lease in (*stops, *starts) or any(
            box.lease == lease
            for node in self.nodes.values()
            for box in node.containers.values()
        )

    def enqueue(self) -> object:
        queue = self.dice.choice(list(QUEUES))
        if len(self.queues[queue]) >= 8:
            return IDLE
        task = f"t{next(self.numbers)}"
        user = f"u{self.dice.randrange(USERS)}"
        count = self.dice.choice((1, 1, 1, 2))
        request = Request(
            key=task,
            holder=Holder.job(task),
            user=user,
            selector=Selector(count=count, nodes=QUEUES[queue]),
            priority={"vision": 0, "nlp": 0, "default": 2}[queue],
            project=self.dice.choice(("p", "q")),
            queue=queue,
            limit_seconds=self.dice.choice((None, 600)),
        )
        where = self.dice.choice((0, len(self.queues[queue])))
        self.queues[queue].insert(where, request)
        return None

    def dequeue(self) -> object:
        queue = self.dice.choice(list(QUEUES))
        if not self.queues[queue]:
            return IDLE
        del self.queues[queue][self.dice.randrange(len(self.queues[queue]))]
        return None

    def give_up(self) -> object:
        if not self.tickets:
            return IDLE
        id_ = self.dice.choice(list(self.tickets))
        self.ledger.give_up(id_, self.now)
        del self.tickets[id_]
        return None

    # What the board does.

    def mirror(self) -> None:
        queue = self.dice.choice(list(QUEUES))
        self._mirror(queue)

    def _mirror(self, queue: str) -> None:
        self.ledger.mirror(queue, list(self.queues[queue]), self.now)
        shot = self.ledger.snapshot(self.now)
        known = {str(one.request.holder) for one in shot.tickets}
        known |= {str(one.request.holder) for one in shot.leases}
        for request in self.queues[queue]:
            if str(request.holder) not in known:
                msg = f"{request.holder} is queued and has no ticket"
                raise ViolationError(msg)

    def decide(self) -> None:
        for lease in self.ledger.decide(self.now):
            if lease.state is not LeaseState.PENDING:
                msg = f"decide gave {lease}"
                raise ViolationError(msg)

    def sweep(self) -> None:
        for lease in self.ledger.sweep(self.now):
            if lease.until is None or lease.until > self.now:
                msg = f"{lease.id} is not over its limit"
                raise ViolationError(msg)
            self._stop(lease, "timeout")

    def take(self) -> object:
        pending = [one for one in self._leases() if one.state is LeaseState.PENDING]
        if not pending:
            return IDLE
        lease = self.dice.choice(pending)
        self._take(lease)
        return None

    def _take(self, lease: Lease) -> None:
        queue = lease.request.queue
        program = self.agents[lease.node] if queue else self.hub
        node = self.nodes[lease.node]
        if queue and not node.reachable:
            return
        if queue:
            node.journal.append(lease.id)
        try:
            taken = self.ledger.take(lease.id, program.epoch, self.now)
        except LeaseGone:
            return
        self.tickets.pop(lease.ticket or "", None)
        self.counts.leases += 1
        if queue:
            before = len(self.queues[queue])
            self.queues[queue] = [
                one for one in self.queues[queue] if one.holder != lease.request.holder
            ]
            if len(self.queues[queue]) == before:  # `removed: 0`
                self._release(program, taken.id, self._never(program))
                return
        program.starts.append(Start(taken))

    def drain(self) -> None:
        name = self.dice.choice(list(self.nodes))
        self.ledger.drain(name, self.dice.random() < 0.25, "admin", self.now)

    def fence(self) -> object:
        """An admin switches a node off, and says so."""
        name = self.dice.choice(list(self.nodes))
        if self.dice.random() < 0.8 and not self._has_a_new_engine(name):
            return IDLE
        node = self.nodes[name]
        node.reachable = False
        node.containers.clear()
        self.ledger.fence(name, "admin", self.now, f"f{next(self.numbers)}")

        # What takers do.
        return None

    def go_on_starting(self) -> object:
        program = self._program(lambda one: bool(one.starts))
        if program is None:
            return IDLE
        start = self.dice.choice(program.starts)
        node = self.nodes[start.lease.node]
        fails = not node.reachable or self.dice.random() < 0.05
        if start.stage == "taken":
            self._create(program, start, node, fails=fails)
        elif start.stage == "created":
            self._run(program, start, node, fails=fails)
        else:
            self._activate(program, start, node)
        return None

    def _create(
        self, program: Program, start: Start, node: Node, *, fails: bool
    ) -> None:
        if self.dice.random() < 0.05:
            program.starts.remove(start)
            self._release(program, start.lease.id, self._never(program))
            return
        id_ = f"c{next(self.numbers)}"
        lease = start.lease
        box = Container(id_, lease.id, str(lease.request.holder), lease.devices)

        def effect() -> None:
            node.containers[id_] = box

        if fails:
            self._give_up_start(program, start, node, effect)
            return
        effect()
        start.stage, start.container = "created", id_

    def _run(self, program: Program, start: Start, node: Node, *, fails: bool) -> None:
        id_ = start.container or ""

        def effect() -> None:
            box = node.containers.get(id_)
            if box and box.state == "created":
                box.state = "running"

        if fails:
            self._give_up_start(program, start, node, effect)
            return
        effect()
        start.stage = "running"

    def _give_up_start(
        self, program: Program, start: Start, node: Node, effect: Callable[[], None]
    ) -> None:
        """The engine did not answer: nobody knows whether it did it, or will."""
        if self.dice.random() < 0.5:
            self.late.append(effect)
        program.starts.remove(start)
        self.ledger.releasing(start.lease.id, "the start failed", self.now)
        self.ledger.lose(start.lease.id, "the engine did not answer", self.now)
        stop = Stop(start.lease.id, node.name, start.container, node.engine)
        if start.container:
            program.stops.append(stop)

    def _activate(self, program: Program, start: Start, node: Node) -> None:
        program.starts.remove(start)
        try:
            lease = self.ledger.activate(
                start.lease.id, self.now, node.engine, start.container
            )
        except LeaseGone:
            if node.reachable:
                node.containers.pop(start.container or "", None)
            return
        if lease.state is LeaseState.RELEASING:
            stop = Stop(lease.id, node.name, start.container, node.engine)
            program.stops.append(stop)

    def begin_stop(self) -> object:
        active = [one for one in self._leases() if one.state is LeaseState.ACTIVE]
        if not active:
            return IDLE
        self._stop(self.dice.choice(active), "stopped")
        return None

    def _stop(self, lease: Lease, reason: str) -> None:
        program = self.agents[lease.node] if lease.request.queue else self.hub
        self.ledger.releasing(lease.id, reason, self.now)
        if all(one.lease != lease.id for one in program.stops):
            engine = lease.engine_id or ""
            program.stops.append(Stop(lease.id, lease.node, lease.found, engine))

    def go_on_stopping(self) -> object:
        program = self._program(lambda one: bool(one.stops))
        if program is None:
            return IDLE
        stop = self.dice.choice(program.stops)
        node = self.nodes[stop.node]
        if not node.reachable:
            if self.dice.random() < 0.3:
                self.ledger.lose(stop.lease, "no answer", self.now)
            return IDLE
        box = node.containers.get(stop.container or "")
        if box is not None and box.state != "exited":
            if box.state == "running" or self.dice.random() < 0.5:
                box.state = "exited"
            else:
                del node.containers[box.id]
            return IDLE
        kind = ProofKind.EXITED if box else ProofKind.NO_CONTAINER
        program.stops.remove(stop)
        proof = Proof(kind, program.role, engine_id=node.engine)
        self._release(program, stop.lease, proof)
        if box is not None:
            del node.containers[box.id]
        return None

    def tell_owed(self) -> object:
        program = self._program(lambda one: bool(one.owed))
        if program is None:
            return IDLE
        owed, program.owed = program.owed, []
        for lease, proof in owed:
            self._release(program, lease, proof)
        return None

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

    # What nodes do.

    def exit_by_itself(self) -> object:
        node = self._any_node()
        running = [one for one in node.containers.values() if one.state == "running"]
        if not running:
            return IDLE
        self.dice.choice(running).state = "exited"
        return None

    def look(self) -> None:
        node = self._any_node()
        complete, is_right = self.dice.random() < 0.85, self.dice.random() < 0.96
        node.looks.append(self._look(node, complete=complete, is_right=is_right))

    def _look(self, node: Node, *, complete: bool, is_right: bool = True) -> NodeReport:
        found = tuple(
            Found(one.id, one.lease, one.holder, one.devices, one.state)
            for one in node.containers.values()
        )
        engine = node.engine
        if not complete:
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
        )

    def deliver(self) -> object:
        node = self._any_node()
        if not node.reachable or not node.looks:
            return IDLE
        told = self.dice.choice((node.looks[-1], node.looks[-1], *node.looks))
        if self.dice.random() < 0.9:
            node.looks.remove(told)
        self._tell(node, told, is_heard=self.dice.random() < 0.9)
        return None

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

    def finish_late_call(self) -> object:
        if not self.late:
            return IDLE
        self.late.pop(self.dice.randrange(len(self.late)))()
        return None

    def lose_node(self) -> None:
        self._any_node().reachable = False

    def find_node(self) -> object:
        lost = [one for one in self.nodes.values() if not one.reachable]
        if not lost:
            return IDLE
        self.dice.choice(lost).reachable = True
        return None

    def reboot_node(self) -> None:
        node = self._any_node()
        for box in list(node.containers.values()):
            if box.state == "running":
                box.state = "exited"
        self._restart_agent(node.name)
        if self.dice.random() < 0.2:  # Set up anew: another engine, and empty.
            node.engine = f"e{next(self.numbers)}"
            node.containers.clear()

    # What happens to programs and clocks.

    def restart_hub(self) -> None:
        for start in self.hub.starts:
            self._leave_behind(start)
        self.hub = self._begin("hub")

    def restart_agent(self) -> None:
        self._restart_agent(self._any_node().name)

    def _restart_agent(self, name: str) -> None:
        node = self.nodes[name]
        begun = {one.lease.id for one in self.agents[name].starts}
        for start in self.agents[name].starts:
            self._leave_behind(start)
        owed = self.agents[name].owed
        self.agents[name] = self._begin(f"agent:{name}")
        self.agents[name].owed = owed
        node.seen = 0
        for lease in [one for one in node.journal if one in begun]:
            if self.dice.random() < 0.5 or self._known(lease):
                continue
            never = self._never(self.agents[name])
            self._release(self.agents[name], lease, replace(never, by=f"agent:{name}"))
        node.journal.clear()

    def _leave_behind(self, start: Start) -> None:
        """A call that a program had sent when it died may still take effect."""
        node = self.nodes[start.lease.node]
        lease = start.lease
        if start.stage == "taken" and self.dice.random() < 0.3:
            id_ = f"c{next(self.numbers)}"
            box = Container(id_, lease.id, str(lease.request.holder), lease.devices)
            self.late.append(lambda: node.containers.__setitem__(id_, box))
        elif start.stage == "created" and self.dice.random() < 0.3:

            def run() -> None:
                found = node.containers.get(start.container or "")
                if found and found.state == "created":
                    found.state = "running"

            self.late.append(run)

    def jump(self) -> None:
        seconds = self.dice.choice((-7200, -600, -30, -1, 1, 30, 600, 7200))
        self.jumped += timedelta(seconds=seconds)

    def wait(self) -> None:
        self.seconds += self.dice.choice((0.1, 1, 5, 20))

    # The end.

    def settle(self) -> None:
        """Let everything come back, and everything end; nothing may be left over.

        Raises:
            ViolationError: a lease leaks, or somebody waits who could be served.
        """
        self.history.append("settle")
        for call in self.late:
            call()
        self.late.clear()
        for name, node in self.nodes.items():
            node.reachable = True
            node.looks.clear()
            self.ledger.drain(name, False, "admin", self.now)
        for program in (self.hub, *self.agents.values()):
            program.starts.clear()
        self.hub = self._begin("hub")
        for name in self.agents:
            self.agents[name] = self._begin(f"agent:{name}")
            self.nodes[name].seen = 0
        self._reports(3)
        self._must_agree()
        for lease in self._leases():
            if lease.state is not LeaseState.PENDING:
                self.ledger.releasing(lease.id, "the end", self.now)
        for node in self.nodes.values():
            node.containers.clear()
        self._reports(3)
        left = [one for one in self._leases() if one.state is not LeaseState.PENDING]
        still = [one for one in left if not self._is_on_a_lost_engine(one)]
        if still:
            msg = f"leaked: {still}; after {list(self.history)}"
            raise ViolationError(msg)
        for name in self.nodes:  # An admin says what nobody else can.
            if self._has_a_new_engine(name) or any(one.node == name for one in left):
                self.ledger.fence(name, "admin", self.now)
        self._reports(3)
        self._serve_all()

    def _is_on_a_lost_engine(self, lease: Lease) -> bool:
        engine = self.nodes[lease.node].engine
        return lease.engine_id not in {None, engine} or self._has_a_new_engine(
            lease.node
        )

    def _has_a_new_engine(self, name: str) -> bool:
        shown = {one.name: one for one in self.ledger.snapshot(self.now).nodes}
        return shown[name].engine_id not in {None, self.nodes[name].engine}

    def _reports(self, rounds: int) -> None:
        for _ in range(rounds):
            for name in self.nodes:
                self.seconds += 1
                self._look_and_tell(name)
            self.ledger.sweep(self.now)
            self.judge()

    def _must_agree(self) -> None:
        leases = {one.id: one for one in self._leases()}
        running = {
            box.lease
            for node in self.nodes.values()
            for box in node.containers.values()
            if box.state == "running"
        }
        for node in self.nodes.values():
            for box in node.containers.values():
                if box.state != "exited" and box.lease not in leases:
                    msg = f"{box} runs without a lease"
                    raise ViolationError(msg)
        for lease in leases.values():
            if self._is_on_a_lost_engine(lease):
                continue
            if lease.id not in running and lease.state is not LeaseState.PENDING:
                msg = f"{lease} has no container"
                raise ViolationError(msg)

    def _serve_all(self) -> None:
        for queue in self.queues:
            self._mirror(queue)
        rounds = 0
        while True:
            self.ledger.decide(self.now)
            pending = self._leases()
            if not pending:
                break
            for lease in pending:
                program = self.agents[lease.node] if lease.request.queue else self.hub
                self.ledger.take(lease.id, program.epoch, self.now)
                self.tickets.pop(lease.ticket or "", None)
                proof = Proof(ProofKind.NEVER_STARTED, program.epoch)
                self.ledger.release(lease.id, proof, self.now)
            self.judge()
            rounds += 1
            if rounds > 10_000:
                msg = "the line does not come to an end"
                raise ViolationError(msg)
        waiting = self.ledger.snapshot(self.now).tickets
        if waiting:
            msg = f"nobody serves {waiting}"
            raise ViolationError(msg)
        for id_ in self.tickets:
            if self.ledger.ticket(id_).state is not TicketState.CLOSED:
                msg = f"ticket {id_} is lost"
                raise ViolationError(msg)
        self.queues = {name: [] for name in QUEUES}
        self.tickets.clear()

    # Helpers.

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


def drive(
    ledger: Ledger, seed: str, operations: int, *, settle_every: int = 2000
) -> Counts:
    """Do so many operations at random; everything comes to rest now and then.

    Raises:
        ViolationError: something went wrong; the text names the seed.
    """
    dice = random.Random(seed)  # noqa: S311 - must be repeatable.
    world = World(ledger, dice)
    for number in range(1, operations + 1):
        try:
            world.step()
            if number % settle_every == 0 or number == operations:
                world.settle()
        except Exception as error:
            msg = f"SEED={seed}, operation {number}: {str(error)[:3000]}"
            raise ViolationError(msg) from error
    return world.counts
