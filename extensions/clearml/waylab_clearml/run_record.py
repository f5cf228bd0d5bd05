"""What a run is: the values that lists, panels and the CLI show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from waylab_clearml import live
from waylab_clearml.submit import NOTEBOOK_TAG, PARAMETER_SECTION
from waylab_clearml.verdict import CONFIGURATION_NAME, Verdict


class RunState(StrEnum):
    """Where a run is in its life; the words of the lab and the CLI."""

    DRAFT = "draft"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True)
class RunParameter:
    """A value that a run was given; `section` is `Notebook` for the notebook's own."""

    section: str
    name: str
    value: str
    type: str = ""
    help: str = ""


@dataclass(frozen=True)
class Artifact:
    """A file of a run; `input` tells those that went in (the bundle)."""

    key: str
    type: str
    uri: str
    size_bytes: int | None
    sha256: str
    input: bool


@dataclass(frozen=True)
class Progress:
    """How far a notebook has come.

    `cells_total` counts code cells; `cell_current` is the number among them, from 0, of
    the one that runs (None: none does).
    """

    percent: int
    cells_total: int | None = None
    cell_current: int | None = None


@dataclass(frozen=True)
class Run:
    """One run (any ClearML task). Lists leave out what is marked *details*.

    Times are aware UTC. `duration_seconds` counts to now while it runs. `reason` is
    a verdict's code if Waylab ended it; `status` is ClearML's own word.
    """

    id: str
    name: str
    project: str
    owner: str
    owner_id: str
    state: RunState
    status: str
    reason: str
    message: str
    queue: str
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    duration_seconds: float | None
    progress: Progress | None
    worker: str
    tags: tuple[str, ...]
    notebook: bool
    stopping: bool
    web_url: str
    position: int | None = None  # details: place in the queue, from 1
    parameters: tuple[RunParameter, ...] = ()  # details
    artifacts: tuple[Artifact, ...] = ()  # details
    verdict: Verdict | None = None  # details


@dataclass(frozen=True)
class RunQuery:
    """Which runs to list, newest first; `user` "me" or None for everyone's.

    `queue` is a name or id; `text` is looked for in names. Pages count from 0.
    """

    user: str | None = "me"
    project: str | None = None
    queue: str | None = None
    state: RunState | None = None
    text: str = ""
    notebooks_only: bool = False
    page: int = 0
    page_size: int = 50


@dataclass(frozen=True)
class RunPage:
    """A page of runs and how many there are on all pages."""

    runs: tuple[Run, ...]
    total: int


STATES = {
    "created": RunState.DRAFT,
    "queued": RunState.QUEUED,
    "in_progress": RunState.RUNNING,
    "completed": RunState.COMPLETED,
    "closed": RunState.COMPLETED,
    "publishing": RunState.COMPLETED,
    "published": RunState.COMPLETED,
    "failed": RunState.FAILED,
    "stopped": RunState.ABORTED,
}
# ClearML's sign, in a running task's `status_message`, that it was asked to stop.
STOPPING = "stopping"


@dataclass(frozen=True)
class RunNames:
    """The names behind the ids in a task's document."""

    project: str
    owner: str
    queue: str


def run_of(
    task: Mapping[str, Any], names: RunNames, *, web_url: str, now: datetime
) -> Run:
    """Give the run that a task's document stands for, without its details."""
    status = str(task.get("status") or "unknown")
    state = STATES.get(status, RunState.DRAFT)
    started, ended = _time(task.get("started")), _time(task.get("completed"))
    message = str(task.get("status_message") or "")
    tags = tuple(str(tag) for tag in task.get("tags") or ())
    running = state is RunState.RUNNING
    until = now if running else ended
    duration = (until - started).total_seconds() if started and until else None
    return Run(
        id=str(task["id"]),
        name=str(task.get("name") or ""),
        project=names.project,
        owner=names.owner,
        owner_id=str(task.get("user") or ""),
        state=state,
        status=status,
        reason=str(task.get("status_reason") or ""),
        message=message,
        queue=names.queue,
        created=_time(task.get("created")),
        started=started,
        ended=None if running else ended,
        duration_seconds=None if duration is None else max(0.0, duration),
        progress=_progress(task),
        worker=str(task.get("last_worker") or ""),
        tags=tags,
        notebook=NOTEBOOK_TAG in tags,
        stopping=running and message == STOPPING,
        web_url=(
            f"{web_url}/projects/{task.get('project') or '*'}"
            f"/experiments/{task['id']}/output/log"
        ),
    )


def parameters_of(task: Mapping[str, Any]) -> tuple[RunParameter, ...]:
    """Give a task's hyperparameters, the notebook's own section first."""
    sections: Mapping[str, Any] = task.get("hyperparams") or {}
    found = [
        RunParameter(
            section=section,
            name=str(item.get("name") or name),
            value=str(item.get("value") if item.get("value") is not None else ""),
            type=str(item.get("type") or ""),
            help=str(item.get("description") or ""),
        )
        for section, items in sections.items()
        for name, item in (items or {}).items()
    ]
    # Stable: within a section the order stays the notebook's.
    found.sort(key=lambda one: (one.section != PARAMETER_SECTION, one.section))
    return tuple(found)


def artifacts_of(task: Mapping[str, Any]) -> tuple[Artifact, ...]:
    """Give a task's files by key."""
    items = (task.get("execution") or {}).get("artifacts") or ()
    found = [
        Artifact(
            key=str(item.get("key") or ""),
            type=str(item.get("type") or ""),
            uri=str(item.get("uri") or ""),
            size_bytes=item.get("content_size"),
            sha256=str(item.get("hash") or ""),
            input=item.get("mode") == "input",
        )
        for item in items
    ]
    return tuple(sorted(found, key=lambda one: one.key))


def verdict_of(task: Mapping[str, Any]) -> Verdict | None:
    """Give the verdict stored in a task; None before its end or without ours."""
    item = (task.get("configuration") or {}).get(CONFIGURATION_NAME) or {}
    return Verdict.from_json(str(item.get("value") or ""))


def _time(value: object) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _progress(task: Mapping[str, Any]) -> Progress | None:
    """Give the share of a notebook's cells, or what a program told of itself."""
    text = str((task.get("runtime") or {}).get("progress") or "")
    told = min(100, int(text)) if text.isdecimal() else None
    index = live.index_of(task)
    if index is None:
        return None if told is None else Progress(told)
    total, done = index.cells_total, index.cells_done
    if done is None:
        return Progress(told or 0, total, index.cell_current)
    percent = 100 * done // total if total else 100
    return Progress(percent, total, index.cell_current)
