"""`events.add*`: taking in what runs report.

What is answered for is committed. A batch that comes again, because its answer got
lost, is not stored twice.
"""

from __future__ import annotations

import math
import time
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa

from waylab_tracking import journal, series, sight
from waylab_tracking.access import Kind
from waylab_tracking.database import batches, reports
from waylab_tracking.errors import ApiError
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents

SINGLE = series.SINGLE
PLOT, IMAGE, SCALAR, LOG = (
    "plot",
    "training_debug_image",
    "training_stats_scalar",
    "log",
)
REPORTS = (PLOT, IMAGE, "training_stats_vector")
BATCH_MEMORY_SECONDS = 3600.0
NOT_ADDED = 131
MAX_INTEGER = (1 << 63) - 1


@endpoint("events.add")
def add(call: Call) -> Json:
    """Add one event."""
    added, errors = _store(call, [call.body])
    _require_some(added, errors)
    return {"added": added, "errors": len(errors)}


@endpoint("events.add_batch")
def add_batch(call: Call) -> Json:
    """Add the events of a batch, one a line; some may fail."""
    if _came_before(call):
        return {"added": len(call.lines), "errors": 0, "errors_info": {}}
    added, errors = _store(call, list(call.lines))
    _require_some(added, errors)
    told = {"errors_info": {"first": str(errors[0])}} if errors else {"errors_info": {}}
    return {"added": added, "errors": len(errors), **told}


@endpoint("events.delete_for_task")
def delete_for_task(call: Call) -> Json:
    """Drop all events of a task."""
    clear(call.db, documents.own_task(call)["id"])
    return {"deleted": True}


@endpoint("events.delete_for_model")
def delete_for_model(call: Call) -> Json:
    """Drop all events of a model."""
    doc = documents.own_model(call)
    clear(call.db, doc["id"])
    return {"deleted": True}


@endpoint("events.get_task_latest_scalar_values")
def get_task_latest_scalar_values(call: Call) -> Json:
    """Give the last value of each curve of a task."""
    doc = documents.get_task(call.db, call.need("task"))
    metrics: dict[str, list[Json]] = {}
    for variants in (doc.get("last_metrics") or {}).values():
        for one in variants.values():
            last = {"name": one["variant"], "last_value": one["value"]}
            metrics.setdefault(one["metric"], []).append(last)
    return {
        "metrics": [
            {"name": name, "variants": sorted(some, key=lambda one: one["name"])}
            for name, some in sorted(metrics.items())
        ]
    }


def clear(db: sa.Connection, task: str) -> None:
    """Drop all that a task reported."""
    journal.clear(db, task)
    clear_drawn(db, task)


def clear_drawn(db: sa.Connection, task: str) -> None:
    """Drop curves, plots and images of a task; its log stays."""
    series.clear(db, task)
    db.execute(reports.delete().where(reports.c.task == task))
    documents.begin_anew(db, task)


def _came_before(call: Call) -> bool:
    """Say whether this very batch was stored, and remember that it now is."""
    digest = f"{call.who.id}:{call.digest}"
    moment = time.time()
    old = batches.c.at < moment - BATCH_MEMORY_SECONDS
    call.db.execute(batches.delete().where(old))
    known = sa.select(batches.c.digest).where(batches.c.digest == digest)
    if call.db.execute(known).first() is not None:
        return True
    call.db.execute(batches.insert().values(digest=digest, at=moment))
    return False


def _require_some(added: int, errors: list[ApiError]) -> None:
    if errors and not added:
        first = errors[0]
        if first.status == HTTPStatus.FORBIDDEN:
            raise first
        raise ApiError(400, NOT_ADDED, f"Events not added: {first}")


def _store(call: Call, events: list[Json]) -> tuple[int, list[ApiError]]:
    by_task: dict[str, list[Json]] = {}
    errors: list[ApiError] = []
    for event in events:
        by_task.setdefault(str(event.get("task") or ""), []).append(event)
    added = 0
    for task, group in by_task.items():
        of_model = bool(group[0].get("model_event"))
        get = documents.get_model if of_model else documents.get_head
        try:
            kind = Kind.MODEL if of_model else Kind.TASK
            sight.require(call.db, call.who, kind, [task])
            head = get(call.db, task)
            documents.require_writer(call, head)
        except ApiError as error:
            errors += [error] * len(group)
            continue
        stored, highest = _store_for(call.db, task, group, errors)
        added += stored
        if not of_model:
            documents.touch(call.db, head, highest)
            call.pulse.note(task, call.origin.host)
    return added, errors


def _store_for(
    db: sa.Connection, task: str, events: list[Json], errors: list[ApiError]
) -> tuple[int, int]:
    """Give how many were stored, and the highest iteration among them."""
    lines: list[journal.Line] = []
    points: list[series.Point] = []
    others: list[Json] = []
    for event in events:
        try:
            kind = event.get("type")
            if kind == SCALAR:
                points.append(_point(event))
            elif kind == LOG:
                lines.append(_line(event))
            else:
                others.append(_report(task, event))
        except (TypeError, ValueError, OverflowError) as error:
            errors.append(ApiError(400, NOT_ADDED, str(error)))
    if lines:
        journal.append(db, task, lines)
    if points:
        series.append(db, task, points)
    if others:
        db.execute(reports.insert(), others)
    numbers = [*(point[2] for point in points), *(one["iter"] for one in others)]
    # A single value's iteration is below all others.
    return len(lines) + len(points) + len(others), max(numbers, default=0)


def _line(event: Json) -> journal.Line:
    text = [str(event.get(name) or "") for name in ("worker", "level", "msg")]
    return _time(event), text[0], text[1], text[2]


def _point(event: Json) -> series.Point:
    return (
        str(event.get("metric") or ""),
        str(event.get("variant") or ""),
        _integer(event.get("iter") or 0),
        _time(event),
        _value(event.get("value")),
    )


def _report(task: str, event: Json) -> Json:
    """Give an event as its table has it; raises if it is none."""
    kind = event.get("type")
    if kind not in REPORTS:
        msg = f"unknown event type {kind!r}"
        raise ValueError(msg)
    return {
        "task": task,
        "type": kind,
        "metric": str(event.get("metric") or ""),
        "variant": str(event.get("variant") or ""),
        "iter": _integer(event.get("iter") or 0),
        "timestamp": _time(event),
        "doc": _kept(event),
    }


def _time(event: Json) -> int:
    return _integer(event.get("timestamp") or time.time() * 1000)


def _integer(value: Any) -> int:
    number = int(value)
    if abs(number) > MAX_INTEGER:
        msg = f"{value!r} is too large"
        raise ValueError(msg)
    return number


def _value(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        msg = f"{value!r} is not finite"
        raise ValueError(msg)
    return number


def _kept(event: Json) -> Json:
    left_out = ("method", "task", "type", "metric", "variant", "iter", "timestamp")
    return {name: one for name, one in event.items() if name not in left_out}
