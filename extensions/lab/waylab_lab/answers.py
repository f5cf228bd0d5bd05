"""Values of `waylab_clearml` as the JSON that the browser reads."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from waylab_clearml.parameters import Parameter, format_value
from waylab_clearml.queues import Queue
from waylab_clearml.runs import Artifact, LogPage, Run, Series
from waylab_clearml.submit import Submitted


def run_row(run: Run) -> dict[str, Any]:
    """Give what a list shows of a run.

    There is nothing in it that changes by itself with time, such as the duration of a
    run that goes on: an unchanged list has an unchanged ETag.
    """
    progress = run.progress
    return {
        "id": run.id,
        "name": run.name,
        "project": run.project,
        "owner": run.owner,
        "state": run.state.value,
        "stopping": run.stopping,
        "reason": run.reason,
        "message": run.message,
        "queue": run.queue,
        "created": _time(run.created),
        "started": _time(run.started),
        "ended": _time(run.ended),
        "progress": None
        if progress is None
        else {
            "percent": progress.percent,
            "cells_total": progress.cells_total,
            "cell_current": progress.cell_current,
        },
        "worker": run.worker,
        "tags": list(run.tags),
        "notebook": run.notebook,
        "web_url": run.web_url,
    }


def run_details(run: Run, files_url: str, *, may_change: bool) -> dict[str, Any]:
    """Give all that the panel shows of a run; `may_change` is whether to offer it."""
    verdict = run.verdict
    return {
        **run_row(run),
        "may_change": may_change,
        "position": run.position,
        "parameters": [asdict(parameter) for parameter in run.parameters],
        "artifacts": [_artifact(artifact, files_url) for artifact in run.artifacts],
        "failure": None
        if verdict is None
        else {
            "reason": verdict.reason.value,
            "message": verdict.message,
            "cell": verdict.number,
            "ename": verdict.ename,
            "evalue": verdict.evalue,
            "traceback": list(verdict.traceback),
        },
    }


def log_page(page: LogPage) -> dict[str, Any]:
    """Give a page of the console log."""
    return {
        "lines": [
            {"time": _time(line.time), "text": line.text, "level": line.level}
            for line in page.lines
        ],
        "cursor": page.cursor,
        "complete": page.complete,
    }


def curves(series: tuple[Series, ...], values: dict[str, float]) -> dict[str, Any]:
    """Give scalars; numbers that JSON lacks (NaN, infinities) become null."""
    return {
        "series": [
            {
                "metric": one.metric,
                "variant": one.variant,
                "x": [_number(x) for x in one.x],
                "y": [_number(y) for y in one.y],
            }
            for one in series
        ],
        "values": {name: _number(value) for name, value in values.items()},
    }


def parameter_field(parameter: Parameter, given: str | None = None) -> dict[str, Any]:
    """Give a notebook's parameter as a field of the form.

    `text` is what the field begins with: the value `given` to a run, or the default.
    """
    text = given
    if text is None and not parameter.computed:
        text = format_value(parameter, parameter.default)
    return {
        "name": parameter.name,
        "type": parameter.type.value,
        "text": parameter.default_source if text is None else text,
        "is_none": text is not None and parameter.optional and text == "None",
        "help": parameter.help,
        "choices": [format_value(parameter, choice) for choice in parameter.choices],
        "optional": parameter.optional,
        "computed": parameter.computed and given is None,
    }


def queue_choice(queue: Queue) -> dict[str, Any]:
    """Give a queue as the form offers it."""
    return asdict(queue)


def submitted(result: Submitted) -> dict[str, Any]:
    """Give what a submission led to."""
    return asdict(result)


def _artifact(artifact: Artifact, files_url: str) -> dict[str, Any]:
    ours = artifact.uri.startswith(files_url.rstrip("/") + "/")
    web = urlsplit(artifact.uri).scheme in ("http", "https")
    return {
        "key": artifact.key,
        "type": artifact.type,
        "size_bytes": artifact.size_bytes,
        "input": artifact.input,
        "downloadable": ours,
        "uri": artifact.uri if web and not ours else "",
    }


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _number(value: float) -> float | None:
    finite = value == value and value not in (float("inf"), float("-inf"))  # noqa: PLR0124
    return value if finite else None
