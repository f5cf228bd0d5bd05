"""What the agent reads of a task, and what it makes of it: pure but for one request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from waylab_agent.journal import StopCause
from waylab_clearml.client import Client
from waylab_clearml.verdict import Reason

RUNNER_ENTRY_POINT = "waylab_notebook.py"
CLAIM_REASON = "Claimed by {worker} ({claim})"
_CLAIMED = re.compile(r"Claimed by \S+ \(([0-9a-f]+)\)")
_STOPPING = "stopping"
_FIELDS = (
    "id",
    "status",
    "status_reason",
    "status_message",
    "script.repository",
    "script.entry_point",
    "script.binary",
)


class Status(StrEnum):
    """ClearML's states of a task."""

    CREATED = "created"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"
    CLOSED = "closed"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Status:
        return cls.UNKNOWN


_ENDS = frozenset(
    {
        Status.STOPPED,
        Status.COMPLETED,
        Status.FAILED,
        Status.CLOSED,
        Status.PUBLISHING,
        Status.PUBLISHED,
    }
)


@dataclass(frozen=True)
class TaskView:
    """A task as the agent last saw it."""

    id: str
    status: Status
    status_reason: str = ""
    status_message: str = ""
    repository: bool = False
    notebook: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether the task's status is one of its ends."""
        return self.status in _ENDS

    @classmethod
    def from_answer(cls, task: Mapping[str, Any]) -> TaskView:
        """Read an element of the answer of `tasks.get_all`."""
        script = task.get("script") or {}
        return cls(
            id=str(task["id"]),
            status=Status(task.get("status") or ""),
            status_reason=str(task.get("status_reason") or ""),
            status_message=str(task.get("status_message") or ""),
            repository=bool(script.get("repository")),
            notebook=script.get("entry_point") == RUNNER_ENTRY_POINT,
        )


def view(client: Client, task_ids: Sequence[str]) -> dict[str, TaskView]:
    """Ask for tasks; one that was deleted is missing from the result."""
    if not task_ids:
        return {}
    body = {"id": list(task_ids), "only_fields": list(_FIELDS), "search_hidden": True}
    answer = client.call("tasks.get_all", body)
    views = [TaskView.from_answer(task) for task in answer.get("tasks") or ()]
    return {task.id: task for task in views}


@dataclass(frozen=True)
class Wishes:
    """What a task asks for to be started.

    `requirements` is the text of pip's; `arguments` and `setup_script` are ClearML's,
    for its containers.
    """

    repository: bool = False
    notebook: bool = False
    requirements: str = ""
    image: str = ""
    arguments: str = ""
    setup_script: str = ""


def wishes(client: Client, task_id: str) -> Wishes:
    """Ask what a task needs to be started.

    Raises:
        ClearMLError: the server does not answer.
    """
    body = {
        "id": [task_id],
        "only_fields": ["id", "script", "container"],
        "search_hidden": True,
    }
    for task in client.call("tasks.get_all", body).get("tasks") or ():
        script, container = task.get("script") or {}, task.get("container") or {}
        return Wishes(
            repository=bool(script.get("repository")),
            notebook=script.get("entry_point") == RUNNER_ENTRY_POINT,
            requirements=_requirements(script.get("requirements")),
            image=str(container.get("image") or "").strip(),
            arguments=str(container.get("arguments") or "").strip(),
            setup_script=str(container.get("setup_shell_script") or "").strip(),
        )
    return Wishes()


def _requirements(given: object) -> str:
    """Give pip's part; the SDK writes a text, other clients a list of lines."""
    pip = given.get("pip") if isinstance(given, Mapping) else given
    if isinstance(pip, list):
        return "\n".join(str(line) for line in pip)
    return pip if isinstance(pip, str) else ""


def claimed_by(task: TaskView, claim: str) -> bool:
    """Say whether the task was marked started under this claim."""
    return task.status is Status.IN_PROGRESS and f"({claim})" in task.status_reason


def must_stop(task: TaskView | None, claim: str = "") -> StopCause | None:
    """Say why a running job has to be stopped, judged by its task; None: it goes on.

    `claim` is the job's: a task that another claim has started since is another run.

    A task that ended well or badly by its own hand is left alone: its process is
    about to end, and may still be uploading.
    """
    if task is None:
        return StopCause.SUPERSEDED
    match task.status:
        case Status.IN_PROGRESS:
            started = _CLAIMED.fullmatch(task.status_reason)
            if claim and started and started.group(1) != claim:
                return StopCause.SUPERSEDED
            asked = _STOPPING in task.status_message.lower()
            return StopCause.ABORTED if asked else None
        case Status.STOPPED:
            return StopCause.ABORTED
        case Status.CREATED | Status.QUEUED:
            return StopCause.SUPERSEDED
        case _:
            # Given up while this node was out of sight: what it does counts no more.
            is_lost = task.status_reason == Reason.AGENT_LOST
            return StopCause.SUPERSEDED if is_lost else None
