"""On what proof a device is freed, and what a node's report means for a lease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from waylab_ledger.book import Epoch, NodeRecord
from waylab_ledger.errors import Conflict
from waylab_ledger.values import (
    Found,
    Lease,
    LeaseState,
    NodeReport,
    Proof,
    ProofKind,
)

ENDED = frozenset({"exited", "dead"})
"""Words of engines for a container whose processes are gone."""
CREATED = "created"


class Verdict(StrEnum):
    """What a report means for a lease."""

    NOTHING = "nothing"
    ALIVE = "alive"
    """Its holder runs."""
    RESTORE = "restore"
    """The node is back, and whoever knows of the holder can be asked again."""
    LOSE = "lose"
    FREE = "free"


@dataclass(frozen=True)
class Judgement:
    """A verdict with its reason, and with its proof where it frees."""

    verdict: Verdict
    reason: str = ""
    proof: Proof | None = None


NOTHING = Judgement(Verdict.NOTHING)


@dataclass(frozen=True)
class Look:
    """A node's report with what is known of the node and of a lease's taker."""

    report: NodeReport
    node: NodeRecord
    taker: Epoch | None
    now: datetime

    def began_after(self, version: int, at: datetime | None) -> bool:
        """Tell whether it began after a change of the ledger.

        By the versions if the report tells what it had seen. By the clocks otherwise,
        and then a report from the future proves nothing.
        """
        if self.report.seen is not None:
            return self.report.seen >= version
        return at is not None and at < self.report.began_at <= self.now

    def misses_engine(self, lease: Lease) -> bool:
        """Tell whether an agent without an engine judges what may be a container."""
        if not self.report.processes or self.report.engine_id is not None:
            return False
        if lease.was_activated:
            return lease.engine_id is not None
        return not self.node.processes or self.node.engine_id is not None

    def covers(self, lease: Lease) -> bool:
        """Tell whether it would have shown the lease's holder if that were there."""
        if not self.report.complete or self.misses_engine(lease):
            return False
        if lease.engine_id is not None:
            return self.report.engine_id == lease.engine_id
        engine = self.report.engine_id
        if not lease.was_activated and (
            self.node.other_engines or engine not in {None, self.node.engine_id}
        ):
            return False
        by_reporter = self.taker and self.taker.role == agent_role(lease.node)
        if by_reporter or self.report.processes:
            return True
        may_be_process = lease.was_activated or self.node.processes
        return engine is not None and not may_be_process

    @property
    def taker_is_dead(self) -> bool:
        """Whether the process that took the lease is known to be dead."""
        return self.taker is not None and self.taker.dead_at is not None


def speaks_for_taker(by: str, lease: Lease, taker: Epoch | None) -> bool:
    """Tell whether `by` is the process that took a lease, or may answer for it.

    A role stands for its living process. An agent answers for the dead one before it:
    what that one began stands in the journal that they share.
    """
    if by == lease.taker:
        return True
    if taker is None or by != taker.role:
        return False
    return taker.dead_at is None or taker.role == agent_role(lease.node)


def is_being_started(lease: Lease, taker: Epoch | None) -> bool:
    """Tell whether a living process may be starting the holder at this moment."""
    is_taken = lease.state is not LeaseState.PENDING and not lease.was_activated
    is_dead = taker is not None and taker.dead_at is not None
    return is_taken and not is_dead and not was_abandoned(lease)


def was_abandoned(lease: Lease) -> bool:
    """Tell whether its taker gave up starting it without knowing what it left."""
    return not lease.was_activated and lease.known_version > 0


def agent_role(node: str) -> str:
    """Give the role under which a node's agent registers its epoch."""
    return f"agent:{node}"


def judge(lease: Lease, seen: Sequence[Found], look: Look) -> Judgement:
    """Say what a report means for a lease; `seen` are its containers in the report."""
    if lease.state is LeaseState.PENDING:
        return NOTHING
    states = {one.state for one in seen}
    if states - ENDED - {CREATED}:
        return _of_a_living_one(lease, look)
    if CREATED in states:
        return NOTHING
    if look.covers(lease) and _began_late_enough(lease, look):
        kind = _kind_of_absence(lease, look, ended=bool(states))
        detail = "seen as exited" if states else "not in a complete report"
        proof = Proof(kind, agent_role(lease.node), detail, look.report.engine_id)
        return Judgement(Verdict.FREE, detail, proof)
    return _of_the_wrong_engine(lease, look) or _of_a_node_that_is_back(lease, look)


def check_proof(
    lease: Lease, proof: Proof, node: NodeRecord | None, taker: Epoch | None
) -> None:
    """Refuse a proof that does not prove that this lease's holder is gone.

    Raises:
        Conflict: it does not; the text says why.
    """
    if proof.kind is ProofKind.FENCED:
        return
    is_taker = speaks_for_taker(proof.by, lease, taker)
    never_started = proof.kind is ProofKind.NEVER_STARTED
    if lease.state is LeaseState.PENDING:
        if never_started:
            return
        msg = (
            f"Lease {lease.id} was not taken yet: give it back with the proof "
            f"never-started, not {proof.kind}."
        )
        raise Conflict(msg)
    if never_started:
        _check_never_started(lease, is_taker=is_taker)
        return
    if is_being_started(lease, taker) and not is_taker:
        msg = (
            f"Lease {lease.id} is being started by {lease.taker}, which may still "
            f"make its container: only that process can release it now."
        )
        raise Conflict(msg)
    of_engine = proof.kind in {ProofKind.NO_CONTAINER, ProofKind.EXITED}
    if of_engine:
        _check_engine(lease, proof, node)
    elif lease.engine_id is not None:
        msg = (
            f"Lease {lease.id} runs on engine {lease.engine_id}: {proof.kind} proves "
            f"nothing; ask that engine."
        )
        raise Conflict(msg)


def _of_a_living_one(lease: Lease, look: Look) -> Judgement:
    if lease.state is LeaseState.LOST:
        return Judgement(Verdict.ALIVE, "found again")
    if lease.state is LeaseState.GRANTED and look.taker_is_dead:
        return Judgement(Verdict.ALIVE, "found running after its starter died")
    return NOTHING


def _of_the_wrong_engine(lease: Lease, look: Look) -> Judgement | None:
    """Judge where the answer may come from another engine than the holder's.

    It is another one than the lease was activated on; or more than one has answered,
    and a start was cut off that may have been on any of them; or there is none.
    """
    answered, node = look.report.engine_id, look.node
    is_lost = lease.state is LeaseState.LOST
    was_cut_off = not lease.was_activated and (
        look.taker_is_dead or was_abandoned(lease)
    )
    if look.misses_engine(lease) and (lease.was_activated or was_cut_off):
        engine = lease.engine_id or node.engine_id
        reason = (
            f"The agent of node {lease.node} answers without a container engine, and "
            f"this was started in one{f' ({engine})' if engine else ''}: start the "
            "agent with WAYLAB_AGENT_ENGINE, or fence the node if nothing runs there."
        )
        return NOTHING if is_lost and lease.reason == reason else _lose(reason)
    if None not in {lease.engine_id, answered} and lease.engine_id != answered:
        if is_lost:
            return NOTHING
        reason = (
            f"Node {lease.node} answers with another engine ({answered}) than the one "
            f"that it was started on ({lease.engine_id})."
        )
    elif node.other_engines and look.report.complete and was_cut_off:
        engines = ", ".join(filter(None, (node.engine_id, *node.other_engines)))
        reason = (
            f"Node {lease.node} has answered with several engines ({engines}), and "
            "nobody knows on which one it was started. Fence the node if nothing runs "
            "there."
        )
        if is_lost and lease.reason == reason:
            return NOTHING
    else:
        return None
    return _lose(reason)


def _lose(reason: str) -> Judgement:
    return Judgement(Verdict.LOSE, reason)


def _began_late_enough(lease: Lease, look: Look) -> bool:
    if lease.was_activated or was_abandoned(lease):
        return look.began_after(lease.known_version, lease.since)
    taker = look.taker
    return (
        taker is not None
        and taker.dead_version is not None
        and look.began_after(taker.dead_version, taker.dead_at)
    )


def _kind_of_absence(lease: Lease, look: Look, *, ended: bool) -> ProofKind:
    if lease.engine_id is None and look.report.engine_id is None:
        return ProofKind.PROCESSES_GONE
    return ProofKind.EXITED if ended else ProofKind.NO_CONTAINER


def _of_a_node_that_is_back(lease: Lease, look: Look) -> Judgement:
    """Lift a loss by silence where this report cannot tell, but somebody else can."""
    if lease.state is not LeaseState.LOST or not look.report.complete:
        return NOTHING
    if lease.was_activated:
        can_be_asked = lease.engine_id is None and not look.covers(lease)
    else:
        can_be_asked = not (look.taker_is_dead or was_abandoned(lease))
    return Judgement(Verdict.RESTORE, "its node is back") if can_be_asked else NOTHING


def _check_never_started(lease: Lease, *, is_taker: bool) -> None:
    if lease.was_activated:
        msg = f"Lease {lease.id} was active: never-started cannot be true of it."
        raise Conflict(msg)
    if not is_taker:
        msg = (
            f"Lease {lease.id} was taken by {lease.taker}: only that process knows "
            f"that it started nothing (Proof.by must name it)."
        )
        raise Conflict(msg)


def _check_engine(lease: Lease, proof: Proof, node: NodeRecord | None) -> None:
    right = lease.engine_id or (node.engine_id if node else None)
    if right is None and not lease.was_activated:
        return  # The node's engine never reported; its taker asked the one it used.
    if proof.engine_id is None or proof.engine_id != right:
        msg = (
            f"Lease {lease.id} belongs to engine {right}, but {proof.kind} comes from "
            f"engine {proof.engine_id}: that proves nothing."
        )
        raise Conflict(msg)
