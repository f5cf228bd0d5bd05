"""`events.*`: console lines, scalars, plots and debug images."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from waylab_tracking import requests
from waylab_tracking.database import logs, reports, scalars
from waylab_tracking.errors import ApiError, validation
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
MAX_POINTS = 6000
SUMMARY = "Summary"


@endpoint("events.add")
def add(call: Call) -> Json:
    """Add one event."""
    added, errors = _store(call, [call.body])
    return {"added": added, "errors": len(errors)}


@endpoint("events.add_batch")
def add_batch(call: Call) -> Json:
    """Add the events of a batch, one a line."""
    added, errors = _store(call, list(call.lines))
    if errors and not added:
        raise ApiError(400, 131, f"Events not added: {errors[0]}")
    return {"added": added, "errors": len(errors), "errors_info": {}}


@endpoint("events.get_task_log", takes=requests.Series)
def get_task_log(call: Call) -> Json:
    """Give console lines from a time on, forward or back."""
    task = documents.get_task(call.db, call.need("task"))["id"]
    body = call.body
    earlier = body.get("navigate_earlier", True)
    size = max(1, min(int(body.get("batch_size") or 500), 10_000))
    ascending = (logs.c.timestamp, logs.c.seq)
    descending = (logs.c.timestamp.desc(), logs.c.seq.desc())
    mine = logs.c.task == task
    statement = sa.select(logs).where(mine).limit(size)
    if (start := body.get("from_timestamp")) is not None:
        column = logs.c.timestamp
        statement = statement.where(column < start if earlier else column > start)
    rows = call.db.execute(statement.order_by(*(descending if earlier else ascending)))
    found = [
        {
            "type": LOG,
            "task": task,
            "timestamp": row.timestamp,
            "worker": row.worker,
            "level": row.level,
            "msg": row.msg,
        }
        for row in rows
    ]
    order = body.get("order") or ("desc" if earlier else "asc")
    found.sort(key=lambda one: one["timestamp"], reverse=order == "desc")
    count = sa.select(sa.func.count()).select_from(logs).where(mine)
    total = call.db.execute(count).scalar_one()
    return {"events": found, "returned": len(found), "total": total}


@endpoint("events.download_task_log", takes=requests.Series)
def download_task_log(call: Call) -> Json:
    """Give the whole console."""
    task = documents.get_task(call.db, call.need("task"))["id"]
    rows = call.db.execute(
        sa.select(logs.c.msg)
        .where(logs.c.task == task)
        .order_by(logs.c.timestamp, logs.c.seq)
    )
    return {"log": "\n".join(row.msg for row in rows)}


@endpoint("events.scalar_metrics_iter_histogram", takes=requests.Series)
def scalar_metrics_iter_histogram(call: Call) -> Json:
    """Give all curves of a task, at most `samples` points each."""
    task = documents.get_task(call.db, call.need("task"))["id"]
    samples = call.body.get("samples")
    samples = MAX_POINTS if samples is None else int(samples)
    return _curves(call.db, task, str(call.body.get("key") or "iter"), samples)


@endpoint("events.multi_task_scalar_metrics_iter_histogram", takes=requests.Series)
def multi_task_histogram(call: Call) -> Json:
    """Give the curves of several tasks."""
    answer: Json = {}
    key = str(call.body.get("key") or "iter")
    for task in call.need("tasks"):
        name = documents.get_task(call.db, task)["name"]
        for metric, variants in _curves(call.db, task, key, MAX_POINTS).items():
            for variant, curve in variants.items():
                answer.setdefault(metric, {}).setdefault(variant, {})[task] = {
                    **curve,
                    "name": name,
                }
    return answer


@endpoint("events.scalar_metrics_iter_raw", takes=requests.Series)
def scalar_metrics_iter_raw(call: Call) -> Json:
    """Give the points of one metric as they came."""
    task = documents.get_task(call.db, call.need("task"))["id"]
    wanted = call.need("metric")
    rows = call.db.execute(
        sa.select(scalars)
        .where(scalars.c.task == task, scalars.c.metric == wanted.get("metric"))
        .order_by(scalars.c.iter)
    )
    variants: Json = {}
    for row in rows:
        if not wanted.get("variants") or row.variant in wanted["variants"]:
            curve = variants.setdefault(row.variant, {"iter": [], "y": []})
            curve["iter"].append(row.iter)
            curve["y"].append(row.value)
    return {"variants": variants, "total": sum(len(v["y"]) for v in variants.values())}


@endpoint("events.get_task_single_value_metrics", takes=requests.Series)
def get_task_single_value_metrics(call: Call) -> Json:
    """Give the values that have no iteration."""
    found = []
    for task in call.need("tasks"):
        rows = call.db.execute(
            sa.select(scalars)
            .where(scalars.c.task == task, scalars.c.iter == SINGLE)
            .order_by(scalars.c.seq)
        )
        last = {(row.metric, row.variant): row for row in rows}
        values = [
            {
                "metric": row.metric,
                "variant": row.variant,
                "value": row.value,
                "timestamp": row.timestamp,
            }
            for row in last.values()
        ]
        if values:
            found.append({"task": task, "values": values})
    return {"tasks": found}


@endpoint("events.get_task_plots", "events.get_multi_task_plots", takes=requests.Series)
def get_task_plots(call: Call) -> Json:
    """Give the last plots of each variant."""
    body = call.body
    several = body.get("tasks")
    wanted = list(several) if several else [call.need("task")]
    found = _last_reports(call.db, wanted, PLOT, int(body.get("iters") or 1))
    if several is None:
        return {"plots": found, "returned": len(found), "total": len(found)}
    plots: Json = {}
    for one in found:
        metric = plots.setdefault(one["metric"], {})
        by_task = metric.setdefault(one["variant"], {}).setdefault(one["task"], {})
        line = by_task.setdefault(str(one["iter"]), {"name": "", "plots": []})
        line["plots"].append(one)
    return {"plots": plots, "returned": len(found), "total": len(found)}


@endpoint("events.debug_images", takes=requests.Series)
def debug_images(call: Call) -> Json:
    """Give the last debug images of each metric."""
    metrics: dict[tuple[str, str], dict[int, list[Json]]] = {}
    iters = int(call.body.get("iters") or 1)
    for one in call.body.get("metrics") or [{"task": call.body.get("task")}]:
        task = documents.get_task(call.db, one.get("task"))["id"]
        for report in _last_reports(call.db, [task], IMAGE, iters):
            if one.get("metric") in (None, report["metric"]):
                key = (task, report["metric"])
                group = metrics.setdefault(key, {})
                group.setdefault(report["iter"], []).append(report)
    return {
        "metrics": [
            {
                "task": task,
                "metric": metric,
                "iterations": [
                    {"iter": number, "events": events}
                    for number, events in sorted(groups.items(), reverse=True)
                ],
            }
            for (task, metric), groups in metrics.items()
        ],
        "scroll_id": None,
    }


@endpoint("events.get_task_events", takes=requests.Series)
def get_task_events(call: Call) -> Json:
    """Give a task's events of one kind, in order."""
    task = documents.get_task(call.db, call.need("task"))["id"]
    kind = str(call.body.get("event_type") or "")
    if call.body.get("scroll_id"):
        return {"events": [], "returned": 0, "total": 0, "scroll_id": None}
    if kind == LOG:
        forward = {"task": task, "navigate_earlier": False, "batch_size": 10_000}
        events = get_task_log(Call(call.db, call.who, forward, call.identity))["events"]
    elif kind == SCALAR:
        events = [
            {
                "type": SCALAR,
                "task": task,
                "metric": row.metric,
                "variant": row.variant,
                "iter": row.iter,
                "timestamp": row.timestamp,
                "value": row.value,
            }
            for row in call.db.execute(
                sa.select(scalars).where(scalars.c.task == task).limit(10_000)
            )
        ]
    else:
        statement = sa.select(reports).where(reports.c.task == task)
        if kind:
            statement = statement.where(reports.c.type == kind)
        rows = call.db.execute(statement.order_by(reports.c.seq).limit(10_000))
        events = [_shown(row) for row in rows]
    return {
        "events": events,
        "returned": len(events),
        "total": len(events),
        "scroll_id": None,
    }


@endpoint("events.get_task_metrics", takes=requests.Series)
def get_task_metrics(call: Call) -> Json:
    """List the metrics of tasks."""
    kind = call.body.get("event_type") or SCALAR
    table = scalars if kind == SCALAR else reports
    answer = []
    for task in call.need("tasks"):
        rows = call.db.execute(
            sa.select(table.c.metric, table.c.variant)
            .where(table.c.task == task)
            .distinct()
        )
        by_metric: dict[str, list[str]] = {}
        for row in rows:
            by_metric.setdefault(row.metric, []).append(row.variant)
        metrics = [
            {"metric": metric, "variants": sorted(variants)}
            for metric, variants in sorted(by_metric.items())
        ]
        answer.append({"task": task, "metrics": metrics})
    return {"metrics": answer}


@endpoint("events.get_scalar_metrics_and_variants", takes=requests.Series)
def get_scalar_metrics_and_variants(call: Call) -> Json:
    """List a task's curves."""
    rows = call.db.execute(
        sa.select(scalars.c.metric, scalars.c.variant)
        .where(scalars.c.task == call.need("task"))
        .distinct()
    )
    metrics: dict[str, list[str]] = {}
    for row in rows:
        metrics.setdefault(row.metric, []).append(row.variant)
    return {"metrics": metrics}


@endpoint("events.delete_for_task")
def delete_for_task(call: Call) -> Json:
    """Drop all events of a task."""
    task = documents.own_task(call)["id"]
    for table in (logs, scalars, reports):
        call.db.execute(table.delete().where(table.c.task == task))
    return {"deleted": True}


def _store(call: Call, events: list[Json]) -> tuple[int, list[str]]:
    by_task: dict[str, list[Json]] = {}
    errors: list[str] = []
    for event in events:
        by_task.setdefault(str(event.get("task") or ""), []).append(event)
    added = 0
    for task, group in by_task.items():
        try:
            doc = documents.get_task(call.db, task)
            documents.require_owner(call.who, doc)
        except ApiError as error:
            errors += [error.message] * len(group)
            continue
        added += _store_for(call.db, doc, group, errors)
        documents.save_task(call.db, doc)
    return added, errors


def _store_for(
    db: sa.Connection, doc: Json, events: list[Json], errors: list[str]
) -> int:
    lines: list[Json] = []
    points: list[Json] = []
    others: list[Json] = []
    for event in events:
        kind = event.get("type")
        base = {
            "task": doc["id"],
            "timestamp": int(event.get("timestamp") or time.time() * 1000),
        }
        if kind == LOG:
            lines.append(
                {
                    **base,
                    "worker": str(event.get("worker") or ""),
                    "level": str(event.get("level") or ""),
                    "msg": str(event.get("msg") or ""),
                }
            )
            continue
        base |= {
            "metric": str(event.get("metric") or ""),
            "variant": str(event.get("variant") or ""),
            "iter": int(event.get("iter") or 0),
        }
        if kind == SCALAR:
            try:
                points.append({**base, "value": _value(event.get("value"))})
            except ValueError as error:
                errors.append(str(error))
        elif kind in (PLOT, IMAGE, "training_stats_vector"):
            others.append({**base, "type": kind, "doc": _kept(event)})
        else:
            errors.append(f"unknown event type {kind!r}")
    for table, rows in ((logs, lines), (scalars, points), (reports, others)):
        if rows:
            db.execute(table.insert(), rows)
    for point in points:
        _note(doc, point)
    numbers = [one["iter"] for one in [*points, *others] if one["iter"] != SINGLE]
    doc["last_iteration"] = max([doc.get("last_iteration") or 0, *numbers])
    return len(lines) + len(points) + len(others)


def _value(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        msg = f"{value!r} is no number"
        raise ValueError(msg) from error
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


def md5(text: str) -> str:
    """Give the hash under which a task keeps a metric or a variant."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _curves(db: sa.Connection, task: str, key: str, samples: int) -> Json:
    rows = db.execute(
        sa.select(
            scalars.c.metric,
            scalars.c.variant,
            scalars.c.iter,
            scalars.c.timestamp,
            scalars.c.value,
        )
        .where(scalars.c.task == task, scalars.c.iter != SINGLE)
        .order_by(scalars.c.metric, scalars.c.variant, scalars.c.iter, scalars.c.seq)
    )
    answer: Json = {}
    for row in rows:
        curve = answer.setdefault(row.metric, {}).setdefault(
            row.variant, {"name": row.variant, "x": [], "y": []}
        )
        x = row.iter if key == "iter" else row.timestamp
        curve["x"].append(x)
        curve["y"].append(row.value)
    for curves in answer.values():
        for curve in curves.values():
            _thin(curve, samples)
    return answer


def _thin(curve: Json, samples: int) -> None:
    """Keep the ends and evenly spread points between them."""
    count = len(curve["x"])
    if samples <= 1 or count <= samples:
        return
    kept = [round(i * (count - 1) / (samples - 1)) for i in range(samples)]
    for axis in ("x", "y"):
        curve[axis] = [curve[axis][i] for i in kept]


def _last_reports(
    db: sa.Connection, wanted: Iterable[str], kind: str, iters: int
) -> list[Json]:
    if iters < 1:
        msg = "iters must be at least 1"
        raise validation(msg)
    found: list[Json] = []
    for task in wanted:
        rows = db.execute(
            sa.select(reports)
            .where(reports.c.task == task, reports.c.type == kind)
            .order_by(reports.c.iter.desc(), reports.c.seq.desc())
        )
        seen: dict[tuple[str, str], set[int]] = {}
        for row in rows:
            numbers = seen.setdefault((row.metric, row.variant), set())
            if row.iter in numbers or len(numbers) >= iters:
                continue  # Reported again for the same iteration: the last counts.
            numbers.add(row.iter)
            found.append(_shown(row))
    return sorted(found, key=lambda one: (one["iter"], one["metric"], one["variant"]))


def _shown(row: Any) -> Json:
    doc = json.loads(row.doc) if isinstance(row.doc, str) else dict(row.doc)
    return {
        **doc,
        "type": row.type,
        "task": row.task,
        "metric": row.metric,
        "variant": row.variant,
        "iter": row.iter,
        "timestamp": row.timestamp,
    }
