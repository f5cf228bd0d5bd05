"""A small true world around a ledger: engines, a hub, agents, clocks that jump.

Programs keep the protocol, but die at any point; calls to engines take effect late;
looks are delivered late, twice or never; answers are lost. The ledger is told only what
these programs would know. What really runs is known here, so that it can be judged.
"""

from __future__ import annotations

import random

from tests.waylab_ledger.parts import (
    IDLE,
    QUEUES,
    Counts,
    ViolationError,
)
from tests.waylab_ledger.users import Users

from waylab_ledger.ledger import Ledger
from waylab_ledger.values import (
    Lease,
    LeaseState,
    Proof,
    ProofKind,
    TicketState,
)


class World(Users):
    """Drives one ledger at random, and judges it after each operation."""

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
        was_cut_off = not lease.was_activated and "several engines" in lease.reason
        return (
            was_cut_off
            or lease.engine_id not in {None, engine}
            or self._has_a_new_engine(lease.node)
        )

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
