"""`events.*` that give scalars: curves, and values without an iteration."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from waylab_tracking import requests
from waylab_tracking.database import scalars
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.services.events import CACHE, SINGLE

MAX_POINTS = 6000
CACHED_TASKS = 64


@endpoint("events.scalar_metrics_iter_histogram", takes=requests.Series)
def scalar_metrics_iter_histogram(call: Call) -> Json:
    """Give all curves of a task, at most `samples` points each.

    Optimizers ask for this many times a second: what has not changed is remembered.
    """
    task = documents.require_reporter(call, call.need("task"))
    samples = min(call.body.get("samples") or MAX_POINTS, MAX_POINTS)
    return _curves(call.db, task, str(call.body.get("key") or "iter"), samples)


@endpoint("events.multi_task_scalar_metrics_iter_histogram", takes=requests.Series)
def multi_task_histogram(call: Call) -> Json:
    """Give the curves of several tasks."""
    answer: Json = {}
    key = str(call.body.get("key") or "iter")
    for task in call.need("tasks"):
        of_models = call.body.get("model_events")
        get = documents.get_model if of_models else documents.get_task
        name = get(call.db, task)["name"]
        for metric, variants in _curves(call.db, task, key, MAX_POINTS).items():
            for variant, curve in variants.items():
                answer.setdefault(metric, {}).setdefault(variant, {})[task] = {
                    **curve,
                    "name": name,
                }
    return answer


@endpoint("events.scalar_metrics_iter_raw")
def scalar_metrics_iter_raw(call: Call) -> Json:
    """Give the points of one metric as they came."""
    task = documents.require_reporter(call, call.need("task"))
    wanted = call.need("metric")
    rows = call.db.execute(
        sa.select(scalars)
        .where(scalars.c.task == task, scalars.c.metric == wanted.get("metric"))
        .order_by(scalars.c.iter, scalars.c.seq)
    )
    variants: Json = {}
    for row in rows:
        if not wanted.get("variants") or row.variant in wanted["variants"]:
            curve = variants.setdefault(row.variant, {"iter": [], "y": []})
            curve["iter"].append(row.iter)
            curve["y"].append(row.value)
    total = sum(len(curve["y"]) for curve in variants.values())
    return {"variants": variants, "total": total, "returned": total, "scroll_id": None}


@endpoint("events.get_task_single_value_metrics")
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


@endpoint("events.get_scalar_metrics_and_variants")
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


def _curves(db: sa.Connection, task: str, key: str, samples: int) -> Json:
    # One thread uses the database, and its connection carries what it remembers.
    cache: OrderedDict[str, dict[Any, Json]] = db.info.setdefault(CACHE, OrderedDict())
    known = cache.setdefault(task, {})
    cache.move_to_end(task)
    while len(cache) > CACHED_TASKS:
        cache.popitem(last=False)
    if (key, samples) not in known:
        known[key, samples] = _read(db, task, key, samples)
    return known[key, samples]


def _read(db: sa.Connection, task: str, key: str, samples: int) -> Json:
    columns = scalars.c
    mine = sa.and_(columns.task == task, columns.iter != SINGLE)
    series = (columns.metric, columns.variant)
    sizes = db.execute(
        sa.select(*series, sa.func.count()).where(mine).group_by(*series)
    ).all()
    answer: Json = {}
    for metric, variant, size in sizes:
        one = sa.and_(mine, columns.metric == metric, columns.variant == variant)
        rows = _points(db, one, size, samples)
        answer.setdefault(metric, {})[variant] = {
            "name": variant,
            "x": [_across(row, key) for row in rows],
            "y": [row.value for row in rows],
        }
    return answer


def _points(
    db: sa.Connection, one: sa.ColumnElement[bool], size: int, samples: int
) -> list[Any]:
    """Give the rows of a curve: both ends, and evenly spread ones between them."""
    columns = scalars.c
    order = (columns.iter, columns.seq)
    place = (sa.func.row_number().over(order_by=order) - 1).label("place")
    whole = sa.select(columns.iter, columns.timestamp, columns.value, place).where(one)
    if size <= samples:
        return list(db.execute(whole.order_by(*order)))
    inner = whole.subquery()
    # The first row of each of the equal parts that the curve falls into.
    parts, last = max(samples - 1, 1), size - 1
    part = (inner.c.place * parts).op("/")(last)
    before = ((inner.c.place - 1) * parts).op("/")(last)
    first = sa.or_(inner.c.place == 0, part > before)
    return list(db.execute(sa.select(inner).where(first).order_by(inner.c.place)))


def _across(row: Any, key: str) -> Any:
    if key == "timestamp":
        return row.timestamp
    if key == "iso_time":
        return datetime.fromtimestamp(row.timestamp / 1000, UTC).isoformat()
    return row.iter
