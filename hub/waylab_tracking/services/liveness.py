"""What happens to tasks of which nothing is heard any more.

Who runs a job reports it: its agent, its own pings, its events. A job that came out of
a queue and of which nothing is heard is *lost*: that is written into its record at
once, and taken back if it is heard again; after the same time once more it is given
up, by its queue's rule. A task that somebody runs by hand is left alone for as long
as ClearML leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import sqlalchemy as sa

from waylab_tracking import executions, journal
from waylab_tracking.database import executions as known
from waylab_tracking.database import queues, tasks
from waylab_tracking.moment import now
from waylab_tracking.pulse import Pulse
from waylab_tracking.registry import Json
from waylab_tracking.services import documents, events, waiting
from waylab_tracking.settings import LossRule, OnLoss

MESSAGE = "Forced stop (non-responsive)"
AGENT_LOST = "agent-lost"
ABORTED = "aborted"
STOPPING = "stopping"


@dataclass(frozen=True)
class Patience:
    """How long runs may be silent, and what is done with lost jobs, by queue name."""

    silence_seconds: float
    lost_seconds: float
    give_up_seconds: float
    rules: Mapping[str, LossRule] = field(default_factory=dict)


def due(db: sa.Connection, pulse: Pulse, patience: Patience) -> list[str]:
    """Name the jobs that have to be seen to."""
    running = sa.select(tasks.c.id).where(tasks.c.status == "in_progress")
    pulse.keep(db.execute(running).scalars())
    rows = db.execute(_jobs()).all()
    return [row.task for row in rows if _step(row, pulse, patience) is not None]


def see_to(
    db: sa.Connection, pulse: Pulse, patience: Patience, task: str
) -> str | None:
    """Do for one job what is due; give a sentence for the log."""
    row = db.execute(_jobs().where(known.c.task == task)).first()
    step = None if row is None else _step(row, pulse, patience)
    if row is None or step is None:
        return None
    match step:
        case _Step.GIVE_UP:
            return _give_up(db, row, pulse, patience)
        case _Step.MARK:
            return _mark(db, task, pulse.silence_seconds(task))
        case _Step.UNMARK:
            return _unmark(db, task)


def take_back(
    db: sa.Connection,
    doc: Json,
    rules: Mapping[str, LossRule],
    hosts: Iterable[str],
    why: str,
) -> bool:
    """Put a job that is lost back into its queue, if the queue's rule allows it.

    `why` is a sentence without its full stop. False: nothing was changed.
    """
    row = db.execute(sa.select(known).where(known.c.task == doc["id"])).first()
    queue = _queue_of(db, row)
    rule = rules.get(queue["name"], LossRule()) if queue else LossRule()
    if row is None or queue is None or rule.action is not OnLoss.REQUEUE:
        return False
    if row.losses >= rule.requeues:
        return False
    executions.give_up(db, doc["id"], hosts)
    said = f"{why}: it waits again (time {row.losses + 1} of {rule.requeues})."
    _requeue(db, doc, queue, said)
    return True


def stop_silent(db: sa.Connection, pulse: Pulse, silence: timedelta) -> list[str]:
    """Stop running tasks that neither reported nor pinged for so long.

    The SDK pings twice a minute: a silent task's process, such as a kernel that was
    killed, is gone. Only the time that the server listened counts.
    """
    oldest = (datetime.now(UTC) - silence).isoformat(timespec="microseconds")
    last = tasks.c.head["last_update"].as_string()
    silent = sa.and_(tasks.c.status == "in_progress", last < oldest)
    stopped = []
    for task in db.execute(sa.select(tasks.c.id).where(silent)).scalars().all():
        if pulse.silence_seconds(task) < silence.total_seconds():
            continue
        doc = documents.get_task(db, task)
        _end(doc, "stopped", MESSAGE, "Nothing was heard of it any more.")
        documents.save_task(db, doc)
        stopped.append(task)
    return stopped


class _Step(Enum):
    MARK = "mark"
    UNMARK = "unmark"
    GIVE_UP = "give up"


def _jobs() -> sa.Select[Any]:
    out_of_queues = sa.and_(tasks.c.status == "in_progress", known.c.queue != "")
    return sa.select(known).join(tasks, tasks.c.id == known.c.task).where(out_of_queues)


def _step(row: Any, pulse: Pulse, patience: Patience) -> _Step | None:
    silent = pulse.silence_seconds(row.task, patient=not row.ours)
    if silent >= patience.give_up_seconds:
        return _Step.GIVE_UP
    if silent >= patience.lost_seconds:
        return None if row.lost else _Step.MARK
    return _Step.UNMARK if row.lost and pulse.is_heard(row.task) else None


def _queue_of(db: sa.Connection, row: Any) -> Json | None:
    if row is None or not row.queue:
        return None
    doc = db.execute(sa.select(queues.c.doc).where(queues.c.id == row.queue)).scalar()
    return None if doc is None else dict(doc)


def _mark(db: sa.Connection, task: str, silent: float) -> str:
    moment = now()
    executions.mark(db, task, moment)
    doc = documents.get_task(db, task)
    said = f"Lost: nothing was heard of the run or its agent for {silent:.0f} s."
    # What an agent reads as the wish to end the run must stay.
    if STOPPING not in (doc.get("status_message") or "").lower():
        doc["status_message"] = said
        documents.save_task(db, doc)
    return f"Task {task}: {said}"


def _unmark(db: sa.Connection, task: str) -> str:
    executions.mark(db, task, None)
    doc = documents.get_task(db, task)
    if (doc.get("status_message") or "").startswith("Lost: "):
        doc["status_message"] = ""
        documents.save_task(db, doc)
    return f"Task {task} is heard of again"


def _give_up(db: sa.Connection, row: Any, pulse: Pulse, patience: Patience) -> str:
    doc = documents.get_task(db, row.task)
    silent = (
        f"Nothing was heard of the run or its agent for "
        f"{patience.give_up_seconds:.0f} s"
    )
    hosts = pulse.hosts(row.task)
    if STOPPING in (doc.get("status_message") or "").lower():
        executions.give_up(db, row.task, hosts)
        _end(doc, "stopped", ABORTED, f"It was asked to stop. {silent}.")
        documents.save_task(db, doc)
    elif not take_back(db, doc, patience.rules, hosts, silent):
        executions.give_up(db, row.task, hosts)
        times = f" It was lost {row.losses + 1} times." if row.losses else ""
        _end(doc, "failed", AGENT_LOST, f"{silent}.{times}")
        documents.save_task(db, doc)
    return f"Task {row.task} is given up and {doc['status']}: {doc['status_message']}"


def _requeue(db: sa.Connection, doc: Json, queue: Json, said: str) -> None:
    """Put a job back at the head of its queue, without what it had drawn so far.

    Its log stays, for whoever wants to know what came of it, and so do its models and
    artifacts, from which the next execution may go on.
    """
    task = doc["id"]
    doc["configuration"].pop("waylab_verdict", None)
    events.clear_drawn(db, task)
    moment = int(datetime.now(UTC).timestamp() * 1000)
    journal.append(db, task, [(moment, "waylab", "warning", f"{AGENT_LOST}: {said}\n")])
    doc |= {"status": "queued", "status_reason": AGENT_LOST, "status_message": said}
    doc["status_changed"] = now()
    doc["last_iteration"] = 0
    for name in ("started", "completed", "active_duration"):
        doc.pop(name, None)
    doc["execution"]["queue"] = queue["id"]
    documents.save_task(db, doc)
    waiting.append(db, queue, task)
    waiting.place(db, queue["id"], task, 0)


def _end(doc: Json, status: str, reason: str, message: str) -> None:
    doc |= {"status": status, "status_reason": reason, "status_message": message}
    doc["status_changed"] = doc["completed"] = now()
