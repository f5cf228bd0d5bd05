"""Submitting a notebook: freeze, record as a task, enqueue. In that order.

The task is enqueued last, so that a crash at any point leaves a draft and never a
half-made job in a queue; the same idempotency key finishes that draft.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waylab_clearml import bundle as bundles
from waylab_clearml.client import Client, task_folder
from waylab_clearml.errors import BadRequest, SubmitError
from waylab_clearml.names import MIN_NAME, current_user, ensure_project
from waylab_clearml.notebooks import read_notebook
from waylab_clearml.options import (
    OPTION_SECTION,
    TIME_LIMIT,
    GpuWish,
    gpu_options,
    item,
)
from waylab_clearml.parameters import (
    Parameter,
    ParameterValue,
    format_value,
    infer,
    type_label,
    validate,
)
from waylab_clearml.queues import check_gpus, find_queue, position_in_queue

logger = logging.getLogger(__name__)

NOTEBOOK_TAG = "notebook"
PARAMETER_SECTION = "Notebook"
BUNDLE_ARTIFACT = "bundle"
KEY_TAG = "waylab-key:"
ENTRY_POINT = "waylab_notebook.py"
# What `clearml-agent execute` writes to the entry point and runs.
SCRIPT = """\
# Runs the notebook in this task's input artifact "bundle".
import sys

from waylab_runner import main

sys.exit(main())
"""
ALREADY_QUEUED = 706


@dataclass(frozen=True)
class Submission:
    """What to run, where, and with which values.

    `queue` is a queue's name or id. `parameters` are values or text as typed; those
    left out keep the notebook's defaults. `files` lie below `root` (default: the
    notebook's folder). The `idempotency_key` is any text that is new for each wish to
    run (default: a fresh one); `time_limit_seconds` None means no limit. Where it runs
    is left to the queue by None: see `options.GpuWish`.
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
    gpus: int | None = None
    gpu_model: str | None = None
    node: str | None = None
    gpu_min_memory_gib: float | None = None
    mig_profile: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Submitted:
    """The task as it stands in the queue; `position` counts from 1 (None: it left)."""

    task_id: str
    queue: str
    position: int | None
    web_url: str


@dataclass(frozen=True)
class Draft:
    """A job that is ready to be recorded; `hyperparams` are in ClearML's shape."""

    name: str
    project: str
    hyperparams: dict[str, dict[str, dict[str, str]]]
    tags: tuple[str, ...]
    bundle: bundles.Bundle
    queue: str
    key: str
    parent: str | None = None


def submit(client: Client, submission: Submission) -> Submitted:
    """Freeze and enqueue a notebook; once per idempotency key.

    Raises:
        NotebookError, BundleError, ParameterError: the input is at fault.
        SubmitError: there is no such queue, or a name is too short.
        GpusError: the queue can never give what GPUs are asked for.
        ClearMLError: the server refused or is away.
    """
    wish = GpuWish(
        submission.gpus,
        submission.gpu_model,
        submission.node,
        submission.gpu_min_memory_gib,
        submission.mig_profile,
    )
    options = {**options_of(submission), **gpu_options(wish)}
    check_gpus(client, submission.queue, wish)
    notebook = submission.notebook.absolute()
    declared = infer(read_notebook(notebook))
    values = validate(declared, submission.parameters)
    with tempfile.TemporaryDirectory(prefix="waylab-submit-") as folder:
        bundle = bundles.freeze(
            notebook,
            files=submission.files,
            root=submission.root or notebook.parent,
            into=Path(folder),
        )
        draft = Draft(
            name=submission.name or default_name(notebook),
            project=submission.project,
            hyperparams=hyperparams(declared, values, options),
            tags=submission.tags,
            bundle=bundle,
            queue=submission.queue,
            key=submission.idempotency_key or secrets.token_hex(16),
        )
        return record_and_enqueue(client, draft)


def default_name(notebook: Path) -> str:
    """Give the name of a run that was given none."""
    return notebook.stem if len(notebook.stem) >= MIN_NAME else notebook.name


def hyperparams(
    declared: Sequence[Parameter],
    values: Mapping[str, ParameterValue],
    options: Mapping[str, dict[str, str]],
) -> dict[str, dict[str, dict[str, str]]]:
    """Give the values as ClearML shows and edits them, section by section."""
    own = {
        parameter.name: item(
            PARAMETER_SECTION,
            parameter.name,
            format_value(parameter, values[parameter.name]),
            type_label(parameter),
            parameter.help,
        )
        for parameter in declared
        if parameter.name in values
    }
    found = {OPTION_SECTION: dict(options)}
    return {PARAMETER_SECTION: own, **found} if own else found


def options_of(submission: Submission) -> dict[str, dict[str, str]]:
    """Give what is asked of Waylab itself but GPUs, as ClearML shows and edits it.

    Raises:
        SubmitError: a number makes no sense.
    """
    seconds = submission.time_limit_seconds
    if seconds is not None and seconds <= 0:
        msg = f"The time limit is {seconds} s, but must be above 0."
        raise SubmitError(msg)
    text = "Seconds after which the run is ended; empty: no limit."
    value = "" if seconds is None else str(seconds)
    return {TIME_LIMIT: item(OPTION_SECTION, TIME_LIMIT, value, "Optional[int]", text)}


def record_and_enqueue(client: Client, draft: Draft) -> Submitted:
    """Record a draft as a task (or find the one of its key) and enqueue it."""
    if len(draft.name) < MIN_NAME:
        msg = f"The name {draft.name!r} is too short: {MIN_NAME} letters or more."
        raise SubmitError(msg)
    queue_id, queue_name = find_queue(client, draft.queue)
    user_id, _ = current_user(client)
    digest = hashlib.sha256(f"{user_id}\0{draft.key}".encode()).hexdigest()[:32]
    mark = f"{KEY_TAG}{digest}"
    task = _find(client, mark, user_id) or _create(client, draft, mark, user_id)
    task_id = str(task["id"])
    if task["status"] == "created":
        _attach_bundle(client, draft, task_id)
        _enqueue(client, task_id, queue_id, mark)
        logger.info("Enqueued task %s in queue %s", task_id, queue_name)
    web = client.credentials.web_url
    project_id = task.get("project") or "*"
    return Submitted(
        task_id=task_id,
        queue=queue_name,
        position=position_in_queue(client, queue_id, task_id),
        web_url=f"{web}/projects/{project_id}/experiments/{task_id}/output/log",
    )


def _find(client: Client, mark: str, user_id: str) -> dict[str, Any] | None:
    """Give the oldest task of a key: of two submitted at once, that one counts."""
    body = {
        "user": [user_id],
        "system_tags": [mark],
        "only_fields": ["id", "status", "created", "project"],
        "search_hidden": True,
    }
    found = client.call("tasks.get_all", body).get("tasks") or []
    return min(found, key=lambda one: (one["created"], one["id"]), default=None)


def _create(client: Client, draft: Draft, mark: str, user_id: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": draft.name,
        "project": ensure_project(client, draft.project),
        "type": "training",
        "tags": sorted({NOTEBOOK_TAG, *draft.tags}),
        "system_tags": [mark],
        "script": {
            "binary": "python3",
            "repository": "",
            "entry_point": ENTRY_POINT,
            "working_dir": ".",
            "diff": SCRIPT,
            "requirements": {},
        },
        "hyperparams": draft.hyperparams,
    }
    if draft.parent:
        body["parent"] = draft.parent
    made = str(client.call("tasks.create", body)["id"])
    first = _find(client, mark, user_id)
    if first is not None and first["id"] != made:
        client.call("tasks.delete", {"task": made, "force": True})
        return first
    return {"id": made, "status": "created", "project": body["project"]}


def _attach_bundle(client: Client, draft: Draft, task_id: str) -> None:
    folder = task_folder(draft.project, draft.name, task_id)
    name = f"{draft.bundle.sha256[:16]}.zip"
    with draft.bundle.path.open("rb") as content:
        uri = client.upload(
            f"{folder}/artifacts/{BUNDLE_ARTIFACT}/{name}", content, "application/zip"
        )
    artifact = {
        "key": BUNDLE_ARTIFACT,
        "type": "archive",
        "mode": "input",
        "uri": uri,
        "hash": draft.bundle.sha256,
        "content_size": draft.bundle.size_bytes,
        "timestamp": int(time.time()),
        "type_data": {
            "content_type": "application/zip",
            "preview": "\n".join(
                file.path for file in draft.bundle.manifest.files[:20]
            ),
        },
    }
    body = {"task": task_id, "artifacts": [artifact], "force": True}
    client.call("tasks.add_or_update_artifacts", body)


def _enqueue(client: Client, task_id: str, queue_id: str, key: str) -> None:
    # The embedded server heeds the key; a ClearML Server passes it by.
    body = {"task": task_id, "queue": queue_id, "idempotency_key": key}
    try:
        client.call("tasks.enqueue", body)
    except BadRequest as error:
        if error.subcode != ALREADY_QUEUED:  # The same submit, repeated at once.
            raise
