"""`events.add*`: taking in what runs report.

What is answered for is committed. A batch that comes again, because its answer got
lost, is not stored twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa

from waylab_tracking.database import batches, logs, reports, scalars
from waylab_tracking.errors import ApiError
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents

# The iteration that the SDK gives to single values.
SINGLE = -(1 << 31)
PLOT, IMAGE, SCALAR, LOG = (
    "plot",
    "training_debug_image",
    "training_stats_scalar",
    "log",
)
REPORTS = (PLOT, IMAGE, "training_stats_vector")
BATCH_MEMORY_SECONDS = 3600.0
NOT_ADDED = 131
# Where the connection remembers the curves of tasks that nothing was added to.
CACHE = "curves"
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
    for table in (logs, scalars, reports):
        db.execute(table.delete().where(table.c.task == task))
    db.info.get(CACHE, {}).pop(task, None)


def md5(text: str) -> str:
    """Give the hash under which a task keeps a metric or a variant."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _came_before(call: Call) -> bool:
    """Say whether this very batch was stored, and remember that it now is."""
    text = json.dumps([call.who.id, call.lines], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
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
        get = documents.get_model if of_model else documents.get_task
        try:
            doc = get(call.db, task)
            documents.require_owner(call.who, doc)
        except ApiError as error:
            errors += [error] * len(group)
            continue
        if of_model:  # Its record has no place for the last values.
            added += _store_for(call.db, {"id": doc["id"]}, group, errors)
            continue
        added += _store_for(call.db, doc, group, errors)
        documents.save_task(call.db, doc)
    return added, errors


def _store_for(
    db: sa.Connection, doc: Json, events: list[Json], errors: list[ApiError]
) -> int:
    lines: list[Json] = []
    points: list[Json] = []
    others: list[Json] = []
    for event in events:
        try:
            row = _row(doc["id"], event)
        except (TypeError, ValueError, OverflowError) as error:
            errors.append(ApiError(400, NOT_ADDED, str(error)))
            continue
        target = lines if "msg" in row else points if "value" in row else others
        target.append(row)
    for table, rows in ((logs, lines), (scalars, points), (reports, others)):
        if rows:
            db.execute(table.insert(), rows)
    if points:
        db.info.get(CACHE, {}).pop(doc["id"], None)
    for point in points:
        _note(doc, point)
    numbers = [one["iter"] for one in [*points, *others] if one["iter"] != SINGLE]
    doc["last_iteration"] = max([doc.get("last_iteration") or 0, *numbers])
    return len(lines) + len(points) + len(others)


def _row(task: str, event: Json) -> Json:
    """Give an event as its table has it; raises if it is none."""
    kind = event.get("type")
    base = {
        "task": task,
        "timestamp": _integer(event.get("timestamp") or time.time() * 1000),
    }
    if kind == LOG:
        return {
            **base,
            "worker": str(event.get("worker") or ""),
            "level": str(event.get("level") or ""),
            "msg": str(event.get("msg") or ""),
        }
    base |= {
        "metric": str(event.get("metric") or ""),
        "variant": str(event.get("variant") or ""),
        "iter": _integer(event.get("iter") or 0),
    }
    if kind == SCALAR:
        return {**base, "value": _value(event.get("value"))}
    if kind in REPORTS:
        return {**base, "type": kind, "doc": _kept(event)}
    msg = f"unknown event type {kind!r}"
    raise ValueError(msg)


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


def _note(doc: Json, point: Json) -> None:
    """Keep the last, smallest and largest value of each curve in the task."""
    metric, variant, value = point["metric"], point["variant"], point["value"]
    group = doc.setdefault("last_metrics", {}).setdefault(md5(metric), {})
    old = group.get(md5(variant))
    number = 0 if point["iter"] == SINGLE else point["iter"]
    if old is None:
        group[md5(variant)] = {
            "metric": metric,
            "variant": variant,
            "value": value,
            "min_value": value,
            "min_value_iteration": number,
            "max_value": value,
            "max_value_iteration": number,
            "first_value": value,
            "first_value_iteration": number,
            "count": 1,
            "mean_value": value,
        }
        return
    old["count"] += 1
    old["mean_value"] += (value - old["mean_value"]) / old["count"]
    old["value"] = value
    if value < old["min_value"]:
        old["min_value"], old["min_value_iteration"] = value, number
    if value > old["max_value"]:
        old["max_value"], old["max_value_iteration"] = value, number
