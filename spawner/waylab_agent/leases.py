"""The gate that asks the ledger: a lease for each job, given by the board.

The board sets leases aside for queued tasks and names them in its answer to the node's
report (`hear`). The gate takes exactly those, and tells the board what became of them
(`tell`). While the board is away nothing is begun, and what runs goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from waylab_agent.errors import GateAway, GrantGone, JournalError
from waylab_agent.gate import Candidate, Grant
from waylab_agent.outbox import Outbox
from waylab_ledger.client import BoardForbids, NodeBoard
from waylab_ledger.errors import (
    Conflict,
    LeaseGone,
    LedgerError,
    NotFound,
    Refused,
)
from waylab_ledger.values import Lease, LeaseState, NodeReport, Proof, ProofKind
from waylab_ledger.wire import Orders

logger = logging.getLogger(__name__)

T = TypeVar("T")

AWAY_SECONDS = 3.0
"""How long a board that did not answer is left in peace."""
CERTAIN_SECONDS = 20.0
"""How long a lease that was made sure of counts without the board's word."""


class LedgerGate:
    """Grants what the board's ledger has set aside for this node's jobs."""

    def __init__(
        self,
        board: NodeBoard,
        outbox: Outbox,
        *,
        epoch: str,
        slot_of: Callable[[Sequence[str]], str],
    ) -> None:
        """`epoch` names this process; `slot_of` names the slot of a lease's devices."""
        self._board = board
        self._outbox = outbox
        self._slot_of = slot_of
        self.epoch = epoch
        self._announced = False
        self._pending: dict[str, Lease] = {}
        self._taking: dict[str, Lease] = {}
        self._sure: dict[str, float] = {}
        self._active: set[str] = set()
        self._gone: dict[str, str] = {}
        self._unwritten: dict[str, Proof] = {}
        self._refused: set[str] = set()
        self._silent_until = 0.0

    @property
    def has_news(self) -> bool:
        """Whether the board is to be told something now."""
        return not self._announced or any(
            lease not in self._refused for lease, _ in self._to_give_back()
        )

    def tell(self) -> None:
        """Tell the board of this process, and of the leases that are given back.

        Raises:
            GateAway: the board does not answer; nothing is forgotten.
        """
        if not self._announced:
            self._ask(partial(self._board.epoch, self.epoch))
            self._announced = True
        for lease, proof in self._to_give_back():
            try:
                self._ask(partial(self._board.release, lease, proof))
            except _BoardRefuses as error:
                # One lease that the board does not take back is no reason to be
                # silent about all else; it is offered again with each report.
                self._tell_of_refusal(lease, error)
                continue
            except (LeaseGone, NotFound):
                logger.debug("Lease %s was free already", lease)
            except Conflict as error:
                # It stays held; the node's reports free it once they prove it.
                logger.warning("Lease %s is not given back: %s", lease, error)
            else:
                logger.info("Lease %s is given back: %s", lease, proof.kind)
            self._outbox.forget(lease)
            self._unwritten.pop(lease, None)
            self._refused.discard(lease)

    def report(self, report: NodeReport) -> Orders:
        """Send a report, and learn from the answer.

        Raises:
            GateAway: the board does not answer.
        """
        orders = self._ask(partial(self._board.report, report))
        self.hear(orders)
        return orders

    def hear(self, orders: Orders) -> None:
        """Learn which leases are set aside, and which of ours are no longer held."""
        self._pending = {
            _task_of(lease.request.holder.text): lease
            for lease in orders.grants
            if lease.id not in self._taking and lease.id not in self._outbox
        }
        for found in orders.orphans:
            if found.lease in self._sure or found.lease in self._active:
                self._lose(found.lease, "The board no longer knows this lease.")
        now = time.monotonic()
        for lease_id in self._sure:
            self._sure[lease_id] = now

    def offer(self) -> tuple[str, ...]:
        """Give the queues of the tasks for which a lease is set aside."""
        if not self._announced or self._is_silent():
            return ()
        leases = (*self._taking.values(), *self._pending.values())
        queues = (lease.request.queue or "" for lease in leases)
        return tuple(dict.fromkeys(filter(None, queues)))

    def grant(self, candidates: Sequence[Candidate]) -> Grant | None:
        """Take the lease of the first candidate that has one.

        Raises:
            GateAway: it is unknown whether a lease was taken; call again.
        """
        self._give_back_taken_for(candidates)
        for candidate in candidates:
            lease = self._lease_for(candidate)
            if lease is None:
                continue
            self._pending.pop(candidate.task_id, None)
            self._taking[lease.id] = lease
            try:
                taken = self._ask(partial(self._board.take, lease.id, self.epoch))
            except (LeaseGone, NotFound, Conflict) as error:
                logger.info("Lease %s is not to be had: %s", lease.id, error)
                del self._taking[lease.id]
                continue
            del self._taking[lease.id]
            self._sure[taken.id] = time.monotonic()
            return self._as_grant(taken, candidate)
        return None

    def renew(self, grant: Grant) -> bool:
        """Make sure of a lease, taken by this process or by one before it."""
        if grant.id in self._gone:
            raise GrantGone(self._gone[grant.id])
        since = self._sure.get(grant.id)
        if since is not None and time.monotonic() - since < CERTAIN_SECONDS:
            return True
        if not self._announced:
            msg = "The board is waited for: nothing is started meanwhile."
            raise GateAway(msg)
        try:
            self._ask(partial(self._board.take, grant.id, self.epoch))
        except (LeaseGone, Conflict):
            # It may be one that this node's agent took before it was restarted: then
            # the reports, which show its job, keep it for us.
            self._check_kept(grant)
        except NotFound as error:
            self._lose(grant.id, str(error))
            raise GrantGone(str(error)) from error
        self._sure[grant.id] = time.monotonic()
        return True

    def activate(
        self, grant: Grant, *, engine_id: str | None = None, found: str | None = None
    ) -> bool:
        """Tell the board that the job runs; once is enough, and a failure is no end."""
        if grant.id in self._gone:
            return False
        if grant.id in self._active:
            return True
        try:
            activate = partial(self._board.activate, engine_id=engine_id, found=found)
            self._ask(partial(activate, grant.id))
        except (LeaseGone, NotFound) as error:
            self._lose(grant.id, str(error))
            return False
        except (GateAway, Conflict) as error:
            logger.debug("Lease %s is not active yet: %s", grant.id, error)
            return True
        self._active.add(grant.id)
        return True

    def release(self, grant: Grant, proof: Proof) -> None:
        """Note that the lease is to be given back; `tell` brings it to the board."""
        try:
            self._outbox.put(grant.id, proof)
        except JournalError:
            # There may be no entry of such a job either, which would bring it here
            # again. What dies with this process the reports of the next one free.
            if proof.kind is ProofKind.NEVER_STARTED:
                self._unwritten[grant.id] = proof
            raise
        self._pending.pop(grant.task_id, None)
        self._sure.pop(grant.id, None)
        self._active.discard(grant.id)
        self._gone.pop(grant.id, None)

    def _to_give_back(self) -> list[tuple[str, Proof]]:
        return list({**self._unwritten, **dict(self._outbox.entries())}.items())

    def _tell_of_refusal(self, lease: str, error: Exception) -> None:
        if lease not in self._refused:
            self._refused.add(lease)
            logger.warning("Lease %s is not taken back: %s", lease, error)

    def _check_kept(self, grant: Grant) -> None:
        lease = self._ask(partial(self._board.lease, grant.id))
        if lease.state is LeaseState.RELEASED:
            why = f"Lease {lease.id} was taken back: {lease.reason or 'released'}."
            self._lose(grant.id, why)
            raise GrantGone(why)
        if lease.state in {LeaseState.PENDING, LeaseState.LOST}:
            msg = f"Lease {lease.id} is {lease.state}: the board is asked again soon."
            raise GateAway(msg)

    def _lose(self, lease_id: str, why: str) -> None:
        self._gone[lease_id] = why
        self._sure.pop(lease_id, None)
        self._active.discard(lease_id)

    def _lease_for(self, candidate: Candidate) -> Lease | None:
        lease = self._pending.get(candidate.task_id)
        for taking in self._taking.values():
            if _task_of(taking.request.holder.text) == candidate.task_id:
                lease = taking
        if lease is None or lease.request.queue != candidate.queue:
            return None
        return lease

    def _give_back_taken_for(self, candidates: Sequence[Candidate]) -> None:
        """Give back what may have been taken for a task that is no candidate now."""
        tasks = {candidate.task_id for candidate in candidates}
        for lease in list(self._taking.values()):
            if _task_of(lease.request.holder.text) not in tasks:
                detail = "Its task left the queue."
                proof = Proof(ProofKind.NEVER_STARTED, by=self.epoch, detail=detail)
                self._outbox.put(lease.id, proof)
                del self._taking[lease.id]

    def _as_grant(self, lease: Lease, candidate: Candidate) -> Grant:
        return Grant(
            id=lease.id,
            task_id=candidate.task_id,
            queue=candidate.queue,
            slot=self._slot_of(lease.devices),
            devices=lease.devices,
            groups=lease.request.groups,
        )

    def _is_silent(self) -> bool:
        return time.monotonic() < self._silent_until

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask the board, unless it did not answer a moment ago.

        Raises:
            GateAway: there is no answer that tells anything.
            LeaseGone, NotFound, Conflict: the board's answer.
        """
        if self._is_silent():
            msg = "The board did not answer a moment ago: it is asked again soon."
            raise GateAway(msg)
        try:
            return question()
        except (LeaseGone, NotFound, Conflict):
            raise
        except (BoardForbids, Refused) as error:
            raise _BoardRefuses(str(error)) from error
        except LedgerError as error:
            self._silent_until = time.monotonic() + AWAY_SECONDS
            raise GateAway(str(error)) from error
        except ValueError as error:  # WireError: what answers is no board of ours.
            self._silent_until = time.monotonic() + AWAY_SECONDS
            raise GateAway(str(error)) from error


class _BoardRefuses(GateAway):
    """The board answers, and says no, now and to this one question."""


def _task_of(holder: str) -> str:
    return holder.removeprefix("job:")
