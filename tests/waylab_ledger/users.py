"""What users, admins and the board do."""

from __future__ import annotations

from tests.waylab_ledger.parts import (
    GIB,
    IDLE,
    QUEUES,
    USERS,
    Start,
    ViolationError,
)
from tests.waylab_ledger.takers import Takers

from waylab_ledger.errors import Conflict, LeaseGone, Refused
from waylab_ledger.values import (
    DeviceKind,
    Holder,
    Lease,
    LeaseState,
    Request,
    Selector,
    Ticket,
    TicketState,
)


class Users(Takers):
    """Requests, queues, decisions, drains and fences."""

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

    def _has_a_new_engine(self, name: str) -> bool:
        shown = {one.name: one for one in self.ledger.snapshot(self.now).nodes}
        return shown[name].engine_id not in {None, self.nodes[name].engine}
