"""Runs as people see them: list, look into, follow, stop, repeat."""

from __future__ import annotations

import json
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from waylab_clearml import bundle as bundles
from waylab_clearml import live
from waylab_clearml.client import Client
from waylab_clearml.errors import BadRequest, NotFound, SubmitError
from waylab_clearml.names import current_user, name_book
from waylab_clearml.notebooks import join_lines, parse_notebook
from waylab_clearml.options import OPTION_SECTION, WISHES, GpuWish, gpu_options
from waylab_clearml.parameters import ParameterValue, infer, validate
from waylab_clearml.queues import check_gpus, find_queue, position_in_queue
from waylab_clearml.run_data import (
    LogLine,
    LogPage,
    Series,
    read_log,
    scalars,
    single_values,
)
from waylab_clearml.run_record import (
    STATES,
    Artifact,
    Progress,
    Run,
    RunNames,
    RunPage,
    RunParameter,
    RunQuery,
    RunState,
    artifacts_of,
    parameters_of,
    run_of,
    verdict_of,
)
from waylab_clearml.submit import (
    BUNDLE_ARTIFACT,
    NOTEBOOK_TAG,
    PARAMETER_SECTION,
    Draft,
    Submitted,
    hyperparams,
    record_and_enqueue,
)
from waylab_clearml.verdict import Reason

__all__ = [
    "Artifact",
    "LogLine",
    "LogPage",
    "Progress",
    "Run",
    "RunPage",
    "RunParameter",
    "RunQuery",
    "RunState",
    "Series",
    "abort",
    "artifacts",
    "get_run",
    "list_runs",
    "live_notebook",
    "parameters",
    "read_log",
    "rerun",
    "scalars",
    "single_values",
]

OUTPUT_ARTIFACT = "notebook"
MAX_NOTEBOOK_BYTES = 1024**3
MAX_COUNTED = 10_000
LIST_FIELDS = [
    "id",
    "name",
    "project",
    "user",
    "status",
    "status_reason",
    "status_message",
    "execution.queue",
    "created",
    "started",
    "completed",
    "runtime",
    f"configuration.{live.CONFIGURATION_NAME}",
    "last_worker",
    "tags",
]


def list_runs(client: Client, query: RunQuery) -> RunPage:
    """Give a page of runs, newest first."""
    body = _filter(client, query)
    if body is None:
        return RunPage((), 0)
    tasks = client.call(
        "tasks.get_all",
        {
            **body,
            "only_fields": LIST_FIELDS,
            "page": query.page,
            "page_size": query.page_size,
        },
    ).get("tasks", [])
    return RunPage(_runs(client, tasks), _total(client, body, query, len(tasks)))


def get_run(client: Client, run_id: str) -> Run:
    """Give one run with its details. Raises NotFound."""
    task = _task(client, run_id)
    (run,) = _runs(client, [task])
    queue_id = str((task.get("execution") or {}).get("queue") or "")
    position = None
    if run.state is RunState.QUEUED and queue_id:
        position = position_in_queue(client, queue_id, run_id)
    return replace(
        run,
        position=position,
        parameters=parameters_of(task),
        artifacts=artifacts_of(task),
        verdict=verdict_of(task),
    )


def parameters(client: Client, run_id: str) -> tuple[RunParameter, ...]:
    """Give a run's parameters, the notebook's own first."""
    return parameters_of(_task(client, run_id))


def artifacts(client: Client, run_id: str) -> tuple[Artifact, ...]:
    """Give a run's files by key."""
    return artifacts_of(_task(client, run_id))


def live_notebook(client: Client, run_id: str) -> dict[str, Any]:
    """Give the output notebook (nbformat 4 JSON) as it stands: so far, or final.

    Raises:
        NotFound: the run has none (yet): not a notebook's, or not started.
    """
    task = _task(client, run_id)
    for artifact in artifacts_of(task):
        if artifact.key == OUTPUT_ARTIFACT and not artifact.input:
            content = client.read(artifact.uri, limit_bytes=MAX_NOTEBOOK_BYTES)
            return join_lines(json.loads(content))
    index = live.index_of(task)
    if index is None:
        msg = f"Run {run_id} has no output notebook yet (it is {task.get('status')})."
        raise NotFound(msg)
    return join_lines(live.assemble(client, index))


def abort(client: Client, run_id: str) -> Run:
    """Ask a running run to stop, or take a waiting one out of its queue.

    A run that has ended already is left as it is.
    """
    run = get_run(client, run_id)
    words = {
        "status_reason": Reason.ABORTED.value,
        "status_message": "Aborted by its user before it started.",
    }
    if run.state is RunState.QUEUED:
        try:
            client.call("tasks.dequeue", {"task": run_id})
            client.call("tasks.stopped", {"task": run_id, "force": True, **words})
        except BadRequest:
            run = get_run(client, run_id)  # An agent has just taken it.
            if run.state is RunState.QUEUED:
                client.call("tasks.stop", {"task": run_id, "force": True})
    if run.state is RunState.RUNNING:
        reason = {"status_reason": Reason.ABORTED.value}
        client.call("tasks.stop", {"task": run_id, **reason})
    return get_run(client, run_id)


def rerun(  # noqa: PLR0913 - the contract of the lab and the CLI.
    client: Client,
    run_id: str,
    parameters: Mapping[str, ParameterValue] | None = None,
    queue: str | None = None,
    name: str | None = None,
    *,
    gpus: GpuWish | None = None,
    idempotency_key: str | None = None,
) -> Submitted:
    """Run the same bundle again with edited parameters (default queue: its own).

    The new run has a copy of the bundle, so that either may be deleted. `gpus` None
    asks for the GPUs that the run itself asked for.

    Raises:
        ParameterError: an unknown name or a value of the wrong type.
        SubmitError: the run is not a notebook's, or has no queue and none is named.
    """
    task = _task(client, run_id)
    run = get_run(client, run_id)
    target = queue or run.queue
    if not target:
        msg = f"Run {run_id} was in no queue: name one."
        raise SubmitError(msg)
    found = [one for one in run.artifacts if one.key == BUNDLE_ARTIFACT and one.input]
    if not found:
        msg = f"Run {run_id} has no bundle: clone it in ClearML's own UI."
        raise SubmitError(msg)
    with tempfile.TemporaryDirectory(prefix="waylab-rerun-") as folder:
        bundle = fetch_bundle(client, found[0], Path(folder))
        content = bundles.read_notebook_bytes(bundle.path)
        declared = infer(parse_notebook(content, name=bundle.manifest.notebook))
        names = {parameter.name for parameter in declared}
        before = {
            one.name: one.value
            for one in run.parameters
            if one.section == PARAMETER_SECTION and one.name in names
        }
        values = validate(declared, {**before, **(parameters or {})})
        options = dict((task.get("hyperparams") or {}).get(OPTION_SECTION) or {})
        if gpus is not None:
            options = {k: v for k, v in options.items() if k not in WISHES}
            options |= gpu_options(gpus)
            check_gpus(client, target, gpus)
        draft = Draft(
            name=name or run.name,
            project=run.project,
            hyperparams=hyperparams(declared, values, options),
            tags=run.tags,
            bundle=bundle,
            queue=target,
            key=idempotency_key or secrets.token_hex(16),
            parent=run_id,
        )
        return record_and_enqueue(client, draft)


def fetch_bundle(client: Client, artifact: Artifact, into: Path) -> bundles.Bundle:
    """Download a run's bundle into a folder and check it against its hash.

    Raises:
        BundleError: it is not what its task says. ClearMLError: no access.
    """
    path = into / "bundle.zip"
    with path.open("wb") as file:
        for piece in client.download(artifact.uri):
            file.write(piece)
    return bundles.inspect(path, artifact.sha256)


def _task(client: Client, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.call("tasks.get_by_id", {"task": run_id})["task"]
    return found


def _filter(client: Client, query: RunQuery) -> dict[str, Any] | None:
    """Give the server's filter; None if nothing can match."""
    body: dict[str, Any] = {"order_by": ["-created"], "system_tags": ["-archived"]}
    if query.user is not None:
        me = query.user == "me"
        body["user"] = [current_user(client)[0] if me else query.user]
    if query.project is not None:
        pattern = f"^{re.escape(query.project)}(/.*)?$"
        found = client.call(
            "projects.get_all", {"name": pattern, "only_fields": ["id", "name"]}
        )
        body["project"] = [one["id"] for one in found.get("projects") or ()]
        if not body["project"]:
            return None
    if query.queue is not None:
        try:
            body["execution.queue"] = [find_queue(client, query.queue)[0]]
        except SubmitError:
            return None
    if query.state is not None:
        body["status"] = [one for one, state in STATES.items() if state is query.state]
    if query.text:
        body["name"] = re.escape(query.text)
    if query.notebooks_only:
        body["tags"] = [NOTEBOOK_TAG]
    return body


def _total(client: Client, body: dict[str, Any], query: RunQuery, got: int) -> int:
    before = query.page * query.page_size
    if 0 < got < query.page_size or (got == 0 and query.page == 0):
        return before + got
    counted = client.call(
        "tasks.get_all",
        {**body, "only_fields": ["id"], "page": 0, "page_size": MAX_COUNTED},
    )
    return len(counted.get("tasks") or ())


def _runs(client: Client, tasks: list[dict[str, Any]]) -> tuple[Run, ...]:
    book = name_book(client)
    queue_ids = [str((one.get("execution") or {}).get("queue") or "") for one in tasks]
    projects = book.names("projects", (str(one.get("project") or "") for one in tasks))
    users = book.names("users", (str(one.get("user") or "") for one in tasks))
    queues = book.names("queues", queue_ids)
    now = datetime.now(UTC)
    return tuple(
        run_of(
            task,
            RunNames(
                project=projects.get(str(task.get("project") or ""), ""),
                owner=users.get(str(task.get("user") or ""), ""),
                queue=queues.get(queue_id, ""),
            ),
            web_url=client.credentials.web_url,
            now=now,
        )
        for task, queue_id in zip(tasks, queue_ids, strict=True)
    )
