"""Nodes and processes: declaring, reports, silence, draining, fencing, epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from waylab_ledger.book import Book, Epoch, NodeRecord
from waylab_ledger.errors import Conflict, NotFound
from waylab_ledger.freeing import (
    CREATED,
    ENDED,
    Judgement,
    Look,
    Verdict,
    agent_role,
    is_being_started,
    judge,
    was_abandoned,
)
from waylab_ledger.granting import expire, put_back
from waylab_ledger.holding import fence_start, free, mark_lost, restore, revive
from waylab_ledger.values import (
    Device,
    Found,
    Lease,
    LeaseState,
    NodeReport,
    Proof,
    ProofKind,
)
from waylab_ledger.views import EventKind, NodePlan

LINGERS = timedelta(minutes=1)
"""How long a container that has exited is left to who started it."""


def declare(book: Book, plans: Sequence[NodePlan], now: datetime) -> None:
    """Make the nodes those of the site; others stay as long as they hold something."""
    names = {one.name for one in plans}
    for plan in plans:
        known = book.nodes.get(plan.name)
        record = replace(
            known or NodeRecord(plan.name),
            declared=True,
            reserved=plan.reserved,
            large=plan.large,
            processes=plan.processes,
        )
        book.put_node(record)
        if known is None or not known.declared:
            book.say(EventKind.NODE_DECLARED, now, node=plan.name)
    for node in list(book.nodes.values()):
        if node.name in names:
            continue
        for lease in book.leases_on(node.name):
            if lease.state is LeaseState.PENDING:
                put_back(book, lease, f"{node.name} left the site", now)
        if any(book.leases_on(node.name)):
            book.put_node(replace(node, declared=False))
        else:
            book.drop_node(node.name)


def register(book: Book, role: str, epoch: str, now: datetime) -> None:
    """Store a process as the living one of its role; it proves the last one dead."""
    known = book.epoch(epoch)
    if known is not None:
        if known.role != role or known.dead_at is not None:
            what = "is over" if known.role == role else f"is of {known.role}"
            msg = f"Epoch {epoch!r} {what}: make a new one at each start of {role}."
            raise Conflict(msg)
        return
    for other in list(book.state.epochs.values()):
        if other.role == role and other.dead_at is None:
            dead = replace(other, dead_at=now, dead_version=book.version)
            book.put_epoch(dead)
    book.put_epoch(Epoch(epoch, role, now))
    book.say(EventKind.EPOCH, now, text=f"{role} {epoch}")


def report(book: Book, told: NodeReport, now: datetime) -> tuple[Found, ...]:
    """Reconcile a node's leases with what its agent sees; give what it must remove."""
    node = book.nodes.get(told.node)
    if node is None:
        msg = f"The site has no node {told.node!r}: its report is not used."
        raise NotFound(msg)
    register(book, agent_role(node.name), told.epoch, now)
    told = _judged(node, told)
    if _is_stale(node, told, now):
        return ()
    _check_devices(book, told)
    was_down = node.down
    node = _store(book, node, told, now)
    if was_down:
        book.say(EventKind.NODE_UP, now, node=node.name)
    for lease in list(book.leases_on(node.name)):
        seen = [one for one in told.found if one.lease == lease.id]
        look = Look(told, node, book.epoch(lease.taker), now)
        _apply(book, lease, seen, judge(lease, seen, look), look)
    orphans = tuple(one for one in told.found if _is_orphan(book, node, one, now))
    _store_orphans(book, node, orphans, told, now)
    return orphans


def sweep(book: Book, now: datetime) -> tuple[Lease, ...]:
    """Act on the time: silent nodes, overdue leases. Give those over their limit."""
    expire(book, now)
    for node in list(book.nodes.values()):
        if node.last_seen and node.last_seen > now:  # The clock went back.
            node = replace(node, last_seen=now)  # noqa: PLW2901
            book.put_node(node)
        if not node.declared and not any(book.leases_on(node.name)):
            book.drop_node(node.name)
        elif node.silent(now):
            _put_down(book, node, f"{node.name} is silent.", now)
    for lease in list(book.leases.values()):
        if lease.since > now:
            book.put_lease(replace(lease, since=now))
    for epoch in list(book.state.epochs.values()):
        if epoch.dead_at and epoch.dead_at > now:
            book.put_epoch(replace(epoch, dead_at=now))
    return tuple(
        lease
        for lease in book.leases.values()
        if lease.state is LeaseState.ACTIVE and lease.until and lease.until <= now
    )


def drain(book: Book, name: str, by: str, now: datetime, *, on: bool) -> None:
    """Let a node take no new leases, or let it again."""
    node = _find(book, name)
    if node.drained == on:
        return
    book.put_node(replace(node, drained=on))
    if on:
        for lease in book.leases_on(name):
            if lease.state is LeaseState.PENDING:
                put_back(book, lease, f"{name} was drained by {by}", now)
    kind = EventKind.NODE_DRAINED if on else EventKind.NODE_UNDRAINED
    book.say(kind, now, node=name, text=f"by {by}")


def fence(book: Book, name: str, by: str, now: datetime) -> None:
    """Free all devices of a node: somebody vouches that nothing runs there.

    It takes no leases before it reports what it sees from then on. What a living
    process is starting there right now, it may start after this word was given: its
    end is asked for, and once the process has given the start up (`lose`), a report or
    another fence frees it.
    """
    node = _find(book, name)
    for lease in list(book.leases_on(name)):
        if lease.state is LeaseState.PENDING:
            put_back(book, lease, f"{name} was fenced by {by}", now)
        elif is_being_started(lease, book.epoch(lease.taker)):
            fence_start(book, lease, by, now)
        else:
            free(book, lease, Proof(ProofKind.FENCED, by), now)
    book.put_node(
        replace(
            book.nodes.get(name, node),
            down=True,
            complete=False,
            last_seen=None,
            engine_id=node.engine_id if any(book.leases_on(name)) else None,
            other_engines=node.other_engines if any(book.leases_on(name)) else (),
            busy=(),
            orphans=(),
            fenced_at=now,
            fenced_version=book.version,
        )
    )
    book.say(EventKind.NODE_FENCED, now, node=name, text=f"by {by}")


def _find(book: Book, name: str) -> NodeRecord:
    node = book.nodes.get(name)
    if node is None:
        msg = f"The site has no node {name!r}; there are: {', '.join(book.nodes)}."
        raise NotFound(msg)
    return node


def _is_stale(node: NodeRecord, told: NodeReport, now: datetime) -> bool:
    """Tell whether a report was overtaken by a later one, or by a fence."""
    if told.seen is not None:
        if told.seen < node.fenced_version:
            return True
    elif node.fenced_at and told.began_at < node.fenced_at <= now:
        return True
    is_later_known = node.began_at is not None and told.epoch == node.epoch
    return bool(
        is_later_known and node.began_at and told.began_at < node.began_at <= now
    )


def _judged(node: NodeRecord, told: NodeReport) -> NodeReport:
    """Take the report of an agent that has no engine for what it is.

    On a node whose holders are containers it shows none of them.
    """
    if node.processes or told.engine_id is not None or not told.complete:
        return told
    trouble = (
        "Its agent has no container engine, and what runs there are containers: start "
        "it with WAYLAB_AGENT_ENGINE."
    )
    return replace(
        told, complete=False, trouble=" ".join(filter(None, (trouble, told.trouble)))
    )


def _check_devices(book: Book, told: NodeReport) -> None:
    names = [one.id for one in told.devices]
    for other in book.nodes.values():
        if other.name == told.node:
            continue
        both = {one.id for one in other.devices}.intersection(names)
        if both:
            msg = (
                f"{told.node} and {other.name} both report device {min(both)}: a "
                f"device belongs to one node. Its agent runs twice, or with a wrong "
                f"name."
            )
            raise Conflict(msg)
    if len(set(names)) != len(names) or any(
        one.node != told.node for one in told.devices
    ):
        msg = f"{told.node} reports a device twice, or one of another node: {names}."
        raise Conflict(msg)


def _store(book: Book, node: NodeRecord, told: NodeReport, now: datetime) -> NodeRecord:
    present = {one.id for one in told.devices}
    held = book.state.holds
    retired: tuple[Device, ...] = tuple(
        one
        for one in (*node.devices, *node.retired)
        if one.id not in present and one.id in held
    )
    if node.devices != told.devices:
        book.say(
            EventKind.NODE_DEVICES,
            now,
            node=node.name,
            text=", ".join(sorted(present)) or "none",
        )
    is_other = _is_another_engine(book, node, told)
    trouble = told.trouble
    if is_other:
        trouble = (
            f"It answers with another engine ({told.engine_id}) than the one that has "
            f"its leases ({node.engine_id}). Fence it if that one is gone for good."
        )
    engine_id = node.engine_id if is_other else told.engine_id or node.engine_id
    stored = replace(
        node,
        down=False,
        last_seen=now,
        began_at=told.began_at,
        epoch=told.epoch,
        engine_id=engine_id,
        other_engines=_others(node, told, engine_id),
        complete=told.complete and not is_other,
        trouble=trouble,
        devices=told.devices,
        retired=retired,
        utilisation=told.utilisation,
    )
    book.put_node(stored)
    return stored


def _others(
    node: NodeRecord, told: NodeReport, engine_id: str | None
) -> tuple[str, ...]:
    """Give the engines that have answered besides the one that counts."""
    answered = {*node.other_engines, node.engine_id, told.engine_id}
    return tuple(sorted(one for one in answered if one not in {None, engine_id}))


def _is_another_engine(book: Book, node: NodeRecord, told: NodeReport) -> bool:
    """Tell whether an engine answers that cannot know what runs on the node.

    Another one is accepted as the node's own when nothing is known to run there.
    """
    if None in {node.engine_id, told.engine_id} or node.engine_id == told.engine_id:
        return False
    states = {one.state for one in book.leases_on(node.name)}
    return bool(node.busy or states - {LeaseState.PENDING})


def _apply(
    book: Book, lease: Lease, seen: Sequence[Found], verdict: Judgement, look: Look
) -> None:
    now = look.now
    match verdict.verdict:
        case Verdict.ALIVE:
            running = next(one for one in seen if one.state not in ENDED | {CREATED})
            engine = look.report.engine_id or lease.engine_id or look.node.engine_id
            revive(book, lease, engine, running.id, now)
        case Verdict.RESTORE:
            restore(book, lease, verdict.reason, now)
        case Verdict.LOSE:
            mark_lost(book, lease, verdict.reason, now)
        case Verdict.FREE if verdict.proof:
            free(book, lease, verdict.proof, now)
        case _:
            pass


def _is_orphan(book: Book, node: NodeRecord, one: Found, now: datetime) -> bool:
    """Tell whether a container has no lease that entitles it to be there.

    One that names neither lease nor device, as a lab without a GPU, needs none.
    """
    if not one.lease and not one.devices:
        return False
    lease = book.lease(one.lease)
    if lease is None:
        return True
    if lease.state is LeaseState.RELEASED:
        ended = lease.released_at
        fresh = ended is not None and timedelta(0) <= now - ended < LINGERS
        return one.state not in ENDED or not fresh
    if lease.state is LeaseState.PENDING or lease.node != node.name:
        return True
    if one.state != CREATED or lease.was_activated:
        return False
    taker = book.epoch(lease.taker)
    return was_abandoned(lease) or (taker is not None and taker.dead_at is not None)


def _store_orphans(
    book: Book,
    node: NodeRecord,
    orphans: Sequence[Found],
    told: NodeReport,
    now: datetime,
) -> None:
    in_use: set[str] = set()
    for one in told.found:
        if one.state in ENDED:
            continue
        held = book.leases.get(one.lease)
        entitled = held.devices if held and one not in orphans else ()
        in_use.update(set(one.devices).difference(entitled))
    if not node.complete:
        in_use.update(node.busy)
    live = tuple(sorted(one.id for one in orphans))
    for one in orphans:
        if one.id not in node.orphans:
            text = f"{one.state} container {one.id} of lease {one.lease}"
            book.say(EventKind.ORPHAN_SEEN, now, node=node.name, text=text)
    current = book.nodes[node.name]
    book.put_node(replace(current, busy=tuple(sorted(in_use)), orphans=live))
    for lease in list(book.leases_on(node.name)):
        if lease.state is LeaseState.PENDING and in_use.intersection(lease.devices):
            put_back(book, lease, "an orphaned container uses its device", now)


def _put_down(book: Book, node: NodeRecord, reason: str, now: datetime) -> None:
    if not node.down:
        book.put_node(replace(node, down=True, complete=False))
        book.say(EventKind.NODE_DOWN, now, node=node.name, text=reason)
    for lease in list(book.leases_on(node.name)):
        if lease.state is LeaseState.PENDING:
            put_back(book, lease, reason, now)
        elif lease.state is not LeaseState.LOST:
            mark_lost(book, lease, reason, now)
