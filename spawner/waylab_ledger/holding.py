"""The life of a lease after it was taken: active, releasing, lost, released."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from waylab_ledger.book import Book
from waylab_ledger.errors import Conflict, LeaseGone
from waylab_ledger.freeing import check_proof
from waylab_ledger.granting import close, find_lease, return_turn
from waylab_ledger.values import Lease, LeaseState, Proof, ProofKind
from waylab_ledger.views import EventKind


def activate(
    book: Book, id_: str, now: datetime, engine_id: str | None, found: str | None
) -> Lease:
    """Say that the holder runs, and where; its time limit counts from the first time.

    A lease whose end was asked for meanwhile stays `releasing`, but where to look for
    its holder is stored.
    """
    lease = find_lease(book, id_)
    if lease.state is LeaseState.RELEASED:
        why = lease.proof.kind if lease.proof else ""
        msg = f"Lease {lease.id} is released ({why}): stop what was started."
        raise LeaseGone(msg)
    if lease.state is LeaseState.PENDING:
        msg = f"Lease {lease.id} was not taken: take it before starting anything."
        raise Conflict(msg)
    where = (engine_id, found)
    is_same = lease.was_activated and where == (lease.engine_id, lease.found)
    if is_same and lease.state in {LeaseState.ACTIVE, LeaseState.RELEASING}:
        return lease
    stays = LeaseState.RELEASING in {lease.state, lease.before}
    active = started(lease, now, engine_id, found, book.version)
    if stays:
        active = replace(active, state=LeaseState.RELEASING, reason=lease.reason)
    book.put_lease(active)
    book.say(EventKind.LEASE_ACTIVE, now, active, text=found or "")
    return active


def started(
    lease: Lease,
    now: datetime,
    engine_id: str | None,
    found: str | None,
    version: int,
) -> Lease:
    """Give the lease as active from now, or from when it was first."""
    start = lease.started_at or now
    limit = lease.request.limit_seconds
    return replace(
        lease,
        state=LeaseState.ACTIVE,
        since=now,
        started_at=start,
        until=lease.until or (start + timedelta(seconds=limit) if limit else None),
        engine_id=engine_id,
        found=found,
        known_version=version,
        before=None,
        reason="",
    )


def releasing(book: Book, id_: str, reason: str, now: datetime) -> Lease:
    """Say that the end of the holder was asked for."""
    lease = find_lease(book, id_)
    if lease.state in {LeaseState.RELEASED, LeaseState.RELEASING}:
        return lease
    if lease.state is LeaseState.PENDING:
        proof = Proof(ProofKind.NEVER_STARTED, "ledger", reason)
        return release(book, id_, proof, now)
    if lease.state is LeaseState.LOST:
        ending = replace(lease, before=LeaseState.RELEASING)
        if ending != lease:
            book.put_lease(ending)
            book.say(EventKind.LEASE_RELEASING, now, ending, text=reason)
        return ending
    ending = replace(lease, state=LeaseState.RELEASING, since=now, reason=reason)
    book.put_lease(ending)
    book.say(EventKind.LEASE_RELEASING, now, ending, text=reason)
    return ending


def release(book: Book, id_: str, proof: Proof, now: datetime) -> Lease:
    """Free the devices, if the proof proves that the holder is gone."""
    lease = find_lease(book, id_)
    if lease.state is LeaseState.RELEASED:
        return lease
    check_proof(lease, proof, book.nodes.get(lease.node), book.epoch(lease.taker))
    return free(book, lease, proof, now)


def free(book: Book, lease: Lease, proof: Proof, now: datetime) -> Lease:
    """Release a lease on a proof that was judged good."""
    over = replace(
        lease,
        state=LeaseState.RELEASED,
        since=now,
        take_by=None,
        released_at=now,
        proof=proof,
        before=None,
    )
    book.put_lease(over)
    text = f"{proof.kind} by {proof.by}" + (f": {proof.detail}" if proof.detail else "")
    book.say(EventKind.LEASE_RELEASED, now, over, text=text)
    if lease.ticket in book.tickets:  # It was never taken.
        reason = proof.detail or "given back"
        close(book, book.tickets[lease.ticket or ""], reason, now)
    return_turn(book, lease, now)
    return over


def lose(book: Book, id_: str, reason: str, now: datetime) -> Lease:
    """Say that nobody can tell whether the holder runs; the devices stay held.

    Of a lease that was never active it means, too, that its taker starts nothing any
    more: from now on its absence on the node is a proof.
    """
    lease = find_lease(book, id_)
    if lease.state is LeaseState.RELEASED:
        return lease
    if lease.state is LeaseState.PENDING:
        msg = f"Lease {lease.id} was not taken yet: it cannot be lost. Give it back."
        raise Conflict(msg)
    if not lease.was_activated and lease.known_version == 0:
        lease = book.put_lease(replace(lease, known_version=book.version))
    if lease.state is LeaseState.LOST:
        return lease
    return mark_lost(book, lease, reason, now)


def fence_start(book: Book, lease: Lease, by: str, now: datetime) -> Lease:
    """Ask for the end of a start on a node that was fenced."""
    if lease.state is not LeaseState.GRANTED:
        return lease
    reason = f"{lease.node} was fenced by {by} while it was being started"
    state = LeaseState.RELEASING
    asked = replace(lease, state=state, since=now, reason=reason)
    book.put_lease(asked)
    book.say(EventKind.LEASE_RELEASING, now, asked, text=reason)
    return asked


def mark_lost(book: Book, lease: Lease, reason: str, now: datetime) -> Lease:
    """Store that a lease is lost, or for which better reason it is."""
    is_lost = lease.state is LeaseState.LOST
    lost = replace(
        lease,
        state=LeaseState.LOST,
        since=lease.since if is_lost else now,
        reason=reason,
        before=lease.before if is_lost else lease.state,
    )
    book.put_lease(lost)
    book.say(EventKind.LEASE_LOST, now, lost, text=reason)
    return lost


def restore(book: Book, lease: Lease, reason: str, now: datetime) -> Lease:
    """Store that a lost lease is what it was before."""
    back = replace(
        lease,
        state=lease.before or LeaseState.ACTIVE,
        since=now,
        reason="",
        before=None,
    )
    book.put_lease(back)
    book.say(EventKind.LEASE_FOUND, now, back, text=reason)
    return back


def revive(
    book: Book, lease: Lease, engine_id: str | None, found: str, now: datetime
) -> Lease:
    """Store that a lease's holder was seen running."""
    if lease.was_activated and lease.engine_id is None:
        engine_id = None  # A process, whatever else the node has.
    alive = started(lease, now, engine_id, found, book.version)
    if LeaseState.RELEASING in {lease.state, lease.before}:
        alive = replace(alive, state=LeaseState.RELEASING)
    book.put_lease(alive)
    book.say(EventKind.LEASE_FOUND, now, alive, text=found)
    return alive
