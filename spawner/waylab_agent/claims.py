"""Taking a task out of its queue exactly once, and giving it back.

Two atomic steps of the server make a claim: `queues.remove_task` takes the entry (one
taker gets `removed: 1`), and `tasks.started`, not forced, turns a queued task into a
running one (one starter gets through). The second step also decides where a crash left
it unclear who took the entry: whoever marks the task started runs it.
"""

from __future__ import annotations

import logging

from waylab_agent.journal import JobEntry, StopCause
from waylab_agent.tasks import (
    CLAIM_REASON,
    Status,
    TaskView,
    claimed_by,
    must_stop,
)
from waylab_clearml.client import Client
from waylab_clearml.errors import BadRequest

logger = logging.getLogger(__name__)


def take(client: Client, entry: JobEntry) -> bool:
    """Take the task's entry out of its queue; False if it was not there.

    Raises:
        Unreachable: it is unknown whether the entry was taken.
    """
    body = {"queue": entry.queue_id, "task": entry.task_id}
    try:
        return bool(client.call("queues.remove_task", body).get("removed"))
    except BadRequest as error:
        logger.debug("%s was not taken: %s", entry.task_id, error)
        return False


def begin(client: Client, entry: JobEntry, task: TaskView | None, worker: str) -> bool:
    """Mark a task that we took as started by us; False if it is not ours to start.

    `task` is as just seen. May be repeated at any time with the same result.

    Raises:
        ClearMLError: the server does not answer; try again.
    """
    if task is None:
        return False
    if is_started(task, entry.claim):
        return True
    if task.status is not Status.QUEUED:
        return False
    reason = CLAIM_REASON.format(worker=worker, claim=entry.claim)
    body = {"task": entry.task_id, "status_reason": reason, "status_message": ""}
    try:
        answer = client.call("tasks.started", body, execution=entry.claim)
        return bool(answer.get("started"))
    except BadRequest as error:
        logger.info("Task %s was started by somebody else: %s", entry.task_id, error)
        return False


def is_started(task: TaskView, claim: str) -> bool:
    """Say whether the task was marked started under this claim."""
    return claimed_by(task, claim) or _stopped_while_claimed(task)


def _stopped_while_claimed(task: TaskView) -> bool:
    """Say whether an abort wiped out the mark of whoever started the task.

    Whoever takes it for theirs will only mark it stopped.
    """
    asked = must_stop(task) is StopCause.ABORTED
    return task.status is Status.IN_PROGRESS and asked and not task.status_reason


def give_back(client: Client, entry: JobEntry) -> None:
    """Put a task that we took, and did not start, back at the head of its queue.

    Raises:
        ClearMLError: the server does not answer; try again.
    """
    body = {"queue": entry.queue_id, "task": entry.task_id}
    try:
        if not in_some_queue(client, entry.task_id):
            client.call("queues.add_task", body)
        client.call("queues.move_task_to_front", body)
    except BadRequest as error:
        logger.warning("Task %s was not put back: %s", entry.task_id, error)


def in_some_queue(client: Client, task_id: str) -> bool:
    """Say whether any queue has the task as an entry.

    Raises:
        ClearMLError: the server does not answer.
    """
    body = {"only_fields": ["id", "entries"], "search_hidden": True}
    queues = client.call("queues.get_all", body).get("queues") or ()
    return any(
        entry.get("task") == task_id
        for queue in queues
        for entry in queue.get("entries") or ()
    )
