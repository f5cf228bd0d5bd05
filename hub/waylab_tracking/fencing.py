"""Refusing what an execution writes that was given up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request

from waylab_tracking import executions
from waylab_tracking.database import models
from waylab_tracking.errors import ApiError, forbidden

EXECUTION = "x-waylab-execution"
HOST = "x-clearml-worker"
MAX_LENGTH = 255

FENCED = frozenset(
    f"{service}.{action}"
    for service, actions in (
        ("events", "add add_batch"),
        (
            "tasks",
            "stopped failed completed close ping edit update update_batch"
            " edit_hyper_params delete_hyper_params edit_configuration"
            " delete_configuration add_or_update_artifacts delete_artifacts"
            " add_or_update_model delete_models set_requirements publish",
        ),
        (
            "models",
            "create update_for_task edit update set_ready delete"
            " add_or_update_metadata delete_metadata",
        ),
    )
    for action in actions.split()
)
"""What runs write. What people do with runs (reset, enqueue, delete, move, archive)
is left alone: they may sit at the machine that was given up."""


@dataclass(frozen=True)
class Origin:
    """Where a request says that it comes from; both may be empty.

    `execution`: on behalf of which execution an agent of ours writes. `host`: the
    name of the machine, as the official clients send it.
    """

    execution: str = ""
    host: str = ""

    @classmethod
    def of(cls, request: Request) -> Origin:
        """Read the headers of a request."""
        return cls(
            request.headers.get(EXECUTION, "")[:MAX_LENGTH],
            request.headers.get(HOST, "")[:MAX_LENGTH],
        )


def is_given_up(db: sa.Connection, origin: Origin, task: str) -> bool:
    """Say whether a request is of an execution of the task that was given up."""
    if origin.execution:
        # None is known of a task that was started before the server knew of any.
        return executions.current(db, task) not in ("", origin.execution)
    return bool(origin.host) and executions.is_fenced(db, task, origin.host)


def refuse_given_up(db: sa.Connection, origin: Origin, task: str) -> None:
    """Refuse what an execution writes that was given up (403)."""
    if is_given_up(db, origin, task):
        raise superseded(task)


def superseded(task: str) -> ApiError:
    """The execution was given up."""
    return forbidden(
        f"this execution of task {task} was given up, because nothing was heard of it "
        "or somebody started the task anew: nothing of it is taken any more"
    )


def check(
    db: sa.Connection,
    origin: Origin,
    body: Mapping[str, Any],
    lines: Iterable[Mapping[str, Any]],
) -> None:
    """Refuse a write to any task of whose given-up execution it comes (403)."""
    if origin == Origin():
        return
    named = {str(one["task"]) for one in (body, *lines) if one.get("task")}
    if model := body.get("model"):
        of_model = sa.select(models.c.task).where(models.c.id == model)
        named |= set(filter(None, db.execute(of_model).scalars()))
    for task in named:
        refuse_given_up(db, origin, task)
