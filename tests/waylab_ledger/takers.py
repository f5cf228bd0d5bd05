"""What the hub and the agents do with their leases."""

from __future__ import annotations

from collections.abc import Callable

from tests.waylab_ledger.machines import Machines
from tests.waylab_ledger.parts import (
    IDLE,
    Container,
    Node,
    Program,
    Start,
    Stop,
)

from waylab_ledger.errors import LeaseGone
from waylab_ledger.values import (
    Lease,
    LeaseState,
    Proof,
    ProofKind,
)


class Takers(Machines):
    """Starts and stops, each in steps that may fail."""

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
