"""Submitting a notebook: freeze, record as a task, enqueue. In that order.

The task is enqueued last, so that a crash at any point leaves a draft and never a
half-made job in a queue; the same idempotency key finishes that draft.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waylab_clearml.client import Client
from waylab_clearml.parameters import ParameterValue


@dataclass(frozen=True)
class Submission:
    """What to run, where, and with which values.

    `queue` is a queue's name or id. `parameters` are values or text as typed; those
    left out keep the notebook's defaults. `files` lie below `root` (default: the
    notebook's folder). The `idempotency_key` is any text that is new for each wish to
    run (default: a fresh one); `time_limit_seconds` None means no limit.
    """

    notebook: Path
    queue: str
    name: str | None = None
    project: str = "Notebooks"
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    root: Path | None = None
    tags: tuple[str, ...] = ()
    time_limit_seconds: int | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Submitted:
    """The task as it stands in the queue; `position` counts from 1 (None: it left)."""

    task_id: str
    queue: str
    position: int | None
    web_url: str


def submit(client: Client, submission: Submission) -> Submitted:
    """Freeze and enqueue a notebook; once per idempotency key.

    Raises:
        NotebookError, BundleError, ParameterError: the input is at fault.
        SubmitError: there is no such queue.
        ClearMLError: the server refused or is away.
    """
    raise NotImplementedError
