"""Runs as people see them: list, look into, follow, stop, repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from waylab_clearml.client import Client
from waylab_clearml.parameters import ParameterValue
from waylab_clearml.submit import Submitted
from waylab_clearml.verdict import Verdict


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
    """How far a notebook has come; cells count from 0, `current` None between cells."""

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


@dataclass(frozen=True)
class LogLine:
    """A console message as reported: may hold several lines of text."""

    time: datetime
    text: str
    level: str = ""


@dataclass(frozen=True)
class LogPage:
    """Messages in order; pass `cursor` as `after` to get what came later.

    `complete` tells that, at the time of asking, nothing further was there.
    """

    lines: tuple[LogLine, ...]
    cursor: str
    complete: bool


@dataclass(frozen=True)
class Series:
    """One curve: `metric` is the chart, `variant` the curve's name on it."""

    metric: str
    variant: str
    x: tuple[float, ...]
    y: tuple[float, ...]


def list_runs(client: Client, query: RunQuery) -> RunPage:
    """Give a page of runs."""
    raise NotImplementedError


def get_run(client: Client, run_id: str) -> Run:
    """Give one run with its details. Raises NotFound."""
    raise NotImplementedError


def read_log(
    client: Client, run_id: str, *, after: str | None = None, limit: int = 1000
) -> LogPage:
    """Give up to about `limit` messages after a cursor (None: from the beginning).

    Raises:
        BadRequest: the cursor is not one that this function gave.
    """
    raise NotImplementedError


def scalars(client: Client, run_id: str) -> tuple[Series, ...]:
    """Give the curves that a run has reported so far."""
    raise NotImplementedError


def single_values(client: Client, run_id: str) -> dict[str, float]:
    """Give the single numbers that a run has reported (`report_single_value`)."""
    raise NotImplementedError


def parameters(client: Client, run_id: str) -> tuple[RunParameter, ...]:
    """Give a run's parameters, the notebook's own first."""
    raise NotImplementedError


def artifacts(client: Client, run_id: str) -> tuple[Artifact, ...]:
    """Give a run's files by key."""
    raise NotImplementedError


def live_notebook(client: Client, run_id: str) -> dict[str, Any]:
    """Give the output notebook (nbformat 4 JSON) as it stands: so far, or final.

    Raises:
        NotFound: the run has none (yet): not a notebook's, or not started.
    """
    raise NotImplementedError


def abort(client: Client, run_id: str) -> Run:
    """Ask a running run to stop, or take a waiting one out of its queue."""
    raise NotImplementedError


def rerun(
    client: Client,
    run_id: str,
    parameters: Mapping[str, ParameterValue] | None = None,
    queue: str | None = None,
    name: str | None = None,
) -> Submitted:
    """Clone a run with edited parameters and enqueue it (default: in its own queue).

    Raises:
        ParameterError: an unknown name or a value of the wrong type.
    """
    raise NotImplementedError
