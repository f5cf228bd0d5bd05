"""The audit: ledger, nodes, hub and ClearML compared, each difference a sentence.

What is on its way is no difference: two looks are taken, and only what both show is
told. Between them every node that is up looks anew: what it saw before the first look
may have ended since.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from waylab_board.errors import HubAway, HubRefuses
from waylab_board.hub import HubLab
from waylab_board.wants import Entry
from waylab_clearml.errors import ClearMLError
from waylab_ledger.book import SILENCE
from waylab_ledger.errors import NotFound
from waylab_ledger.values import (
    HolderKind,
    Lease,
    LeaseState,
    NodeReport,
    NodeState,
)
from waylab_ledger.views import Snapshot

if TYPE_CHECKING:
    from waylab_board.board import Board

APART_SECONDS = 5.0
_PAUSE_SECONDS = 0.25
ENDS_WITHIN = timedelta(minutes=2)
"""Time for the slowest proper end: a job's grace, then a kill, then a look."""
_ENDED = frozenset({"exited", "dead"})


@dataclass(frozen=True)
class Tasks:
    """What ClearML says: queue -> entries, task -> worker, and task -> status."""

    queued: Mapping[str, tuple[Entry, ...]]
    running: Mapping[str, str]
    statuses: Mapping[str, str]


@dataclass(frozen=True)
class _Look:
    """What differed, and how far the ledger was when it was looked at."""

    differences: tuple[str, ...]
    version: int
    at: datetime


async def audit(board: Board) -> tuple[str, ...]:
    """Give the differences that two looks have in common."""
    first = await _look(board)
    if not first.differences:
        return ()
    await asyncio.sleep(APART_SECONDS)
    await _new_reports(board, first)
    second = set((await _look(board)).differences)
    return tuple(one for one in first.differences if one in second)


async def _look(board: Board) -> _Look:
    found = list(await board.books.read("check", lambda ledger, _: ledger.check()))
    at = datetime.now(UTC)
    snapshot = await board.books.snapshot()
    found += of_nodes(snapshot, board.reports)
    found += of_ends(snapshot, at)
    if board.hub.is_set_up:
        try:
            found += of_labs(snapshot, await board.hub.labs())
        except (HubAway, HubRefuses) as error:
            found.append(f"hub: it cannot be asked: {error}.")
    if board.mirror is not None and board.queues is not None:
        try:
            tasks = await _tasks(board, snapshot)
        except ClearMLError as error:
            found.append(f"ClearML: it cannot be asked: {error}")
        else:
            found += of_tasks(snapshot, tasks)
    return _Look(tuple(found), snapshot.version, at)


async def _new_reports(board: Board, first: _Look) -> None:
    """Wait until each node has looked after `first`, or is down for its silence."""
    deadline = time.monotonic() + SILENCE.total_seconds()
    while time.monotonic() < deadline:
        snapshot = await board.books.snapshot()
        up = [one.name for one in snapshot.nodes if one.state is not NodeState.DOWN]
        reports = [board.reports[name] for name in up if name in board.reports]
        if all(_began_after(one, first.version, first.at) for one in reports):
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def _tasks(board: Board, snapshot: Snapshot) -> Tasks:
    queues, mirror = board.queues, board.mirror
    if queues is None or mirror is None:
        msg = "There is no ClearML."
        raise NotFound(msg)
    jobs = [_task(one) for one in snapshot.leases if _is_job(one)]
    return Tasks(
        queued=await asyncio.to_thread(queues.look, mirror.served),
        running=await asyncio.to_thread(queues.running),
        statuses=await asyncio.to_thread(queues.statuses, jobs),
    )


def of_nodes(snapshot: Snapshot, reports: Mapping[str, NodeReport]) -> Iterator[str]:
    """Compare the ledger with what each node that is up sees."""
    leases = {one.id: one for one in snapshot.leases}
    for node in snapshot.nodes:
        report = reports.get(node.name)
        if node.state is NodeState.DOWN:
            if any(one.node == node.name for one in snapshot.leases):
                yield f"{node.name}: its agent is silent; what it holds is not seen."
            continue
        if report is None:
            continue
        if not report.complete:
            yield f"{node.name}: its agent does not see all. {report.trouble}".strip()
        for one in report.found:
            needs_none = not one.lease and not one.devices
            if one.state in _ENDED or needs_none:
                continue
            held = leases.get(one.lease)
            if held is None:
                yield (
                    f"{node.name}: {one.id} ({one.holder}) is {one.state} with lease "
                    f"{one.lease}, which the ledger does not hold."
                )
            elif set(one.devices) != set(held.devices):
                yield (
                    f"{node.name}: {one.id} ({one.holder}) has the devices "
                    f"{', '.join(one.devices) or 'none'}, its lease "
                    f"{', '.join(held.devices)}."
                )
        yield from _unseen(snapshot, report)


def of_ends(snapshot: Snapshot, now: datetime) -> Iterator[str]:
    """Tell of leases that should have ended, or been found again, by now."""
    up = {one.name for one in snapshot.nodes if one.state is not NodeState.DOWN}
    for lease in snapshot.leases:
        of_whom = f"{lease.request.holder} holds {lease.id}"
        if lease.state is LeaseState.LOST and lease.node in up:
            yield (
                f"{lease.node}: {of_whom}, which is lost though the node answers: "
                f"{lease.reason}"
            )
        elif lease.state is LeaseState.RELEASING and now - lease.since > ENDS_WITHIN:
            minutes = (now - lease.since) // timedelta(minutes=1)
            yield (
                f"{lease.node}: {of_whom}, whose end was asked for more than {minutes} "
                f"min ago ({lease.reason or 'no reason given'}) and is not proven."
            )


def of_labs(
    snapshot: Snapshot, labs: Mapping[tuple[str, str], HubLab]
) -> Iterator[str]:
    """Compare the leases of labs with the labs that the hub has."""
    for lease in snapshot.leases:
        holder = lease.request.holder
        if holder.kind is not HolderKind.LAB:
            continue
        user, _, server = holder.text.removeprefix("lab:").partition("/")
        expected = lease.state in {LeaseState.ACTIVE, LeaseState.GRANTED}
        if expected and (user, server) not in labs:
            yield f"hub: {holder} has lease {lease.id}, but no lab of it is active."


def of_tasks(snapshot: Snapshot, tasks: Tasks) -> Iterator[str]:
    """Compare the leases and tickets of jobs with ClearML's tasks."""
    leased = {_task(one): one for one in snapshot.leases if _is_job(one)}
    tickets = {
        one.request.holder.text.removeprefix("job:"): one
        for one in snapshot.tickets
        if one.request.holder.kind is HolderKind.JOB
    }
    nodes = {node.name for node in snapshot.nodes}
    for task, worker in tasks.running.items():
        if worker.partition(":")[0] in nodes and task not in leased:
            yield f"ClearML: {worker} runs task {task}, which holds no lease."
    for task, lease in leased.items():
        status = tasks.statuses.get(task)
        if lease.state is LeaseState.ACTIVE and status not in {"in_progress", "queued"}:
            yield (
                f"ClearML: task {task} is {status or 'gone'}, but holds lease "
                f"{lease.id} on {lease.node}."
            )
    queued = {one.task for entries in tasks.queued.values() for one in entries}
    for queue, entries in tasks.queued.items():
        for one in entries:
            if one.task not in tickets and one.task not in leased:
                yield f"ClearML: task {one.task} waits in {queue} without a ticket."
    for task, ticket in tickets.items():
        if task not in queued:
            yield (
                f"ledger: ticket {ticket.id} stands for task {task}, which is not in "
                f"the queue {ticket.request.queue}."
            )


def _unseen(snapshot: Snapshot, report: NodeReport) -> Iterator[str]:
    if not report.complete:
        return
    seen = {one.lease for one in report.found if one.state not in _ENDED}
    for lease in snapshot.leases:
        if (
            lease.node == report.node
            and lease.state is LeaseState.ACTIVE
            and lease.id not in seen
            and _began_after(report, lease.known_version, lease.since)
        ):
            yield (
                f"{report.node}: {lease.request.holder} holds {lease.id}, but its "
                "agent sees nothing of it."
            )


def _began_after(report: NodeReport, version: int, at: datetime) -> bool:
    """Tell whether a report knows of a change; a look from before must not accuse."""
    if report.seen is not None:
        return report.seen >= version
    return report.began_at > at


def _is_job(lease: Lease) -> bool:
    return lease.request.holder.kind is HolderKind.JOB


def _task(lease: Lease) -> str:
    return lease.request.holder.text.removeprefix("job:")
