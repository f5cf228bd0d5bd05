"""`events.*` that give scalars: curves, and values without an iteration."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from waylab_tracking import requests, series
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.services.events import CACHE

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
    variants: Json = {}
    for curve in series.of_task(call.db, task):
        if curve.metric != wanted.get("metric"):
            continue
        if not wanted.get("variants") or curve.variant in wanted["variants"]:
            points = series.whole(call.db, curve)
            found = variants.setdefault(curve.variant, {"iter": [], "y": []})
            # Values without an iteration have one that is before all others.
            start = 0 if curve.single else len(found["y"])
            found["iter"][start:start] = points.iters
            found["y"][start:start] = points.values
    total = sum(len(curve["y"]) for curve in variants.values())
    return {"variants": variants, "total": total, "returned": total, "scroll_id": None}


@endpoint("events.get_task_single_value_metrics")
def get_task_single_value_metrics(call: Call) -> Json:
    """Give the values that have no iteration."""
    found = []
    for task in call.need("tasks"):
        values = [
            {
                "metric": curve.metric,
                "variant": curve.variant,
                "value": curve.value,
                "timestamp": curve.timestamp,
            }
            for curve in sorted(series.of_task(call.db, task), key=lambda one: one.id)
            if curve.single
        ]
        if values:
            found.append({"task": task, "values": values})
    return {"tasks": found}


@endpoint("events.get_scalar_metrics_and_variants")
def get_scalar_metrics_and_variants(call: Call) -> Json:
    """List a task's curves."""
    metrics: dict[str, list[str]] = {}
    for metric, variant in names(call.db, call.need("task")):
        metrics.setdefault(metric, []).append(variant)
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
    answer: Json = {}
    for curve in sorted(series.of_task(db, task), key=_name):
        if curve.single:
            continue
        points = series.thinned(db, curve, samples)
        across = list(points.iters if key == "iter" else points.times)
        answer.setdefault(curve.metric, {})[curve.variant] = {
            "name": curve.variant,
            "x": list(map(_moment, across)) if key == "iso_time" else across,
            "y": list(points.values),
        }
    return answer


def names(db: sa.Connection, task: str) -> list[tuple[str, str]]:
    """Give the metrics and variants of a task's scalars."""
    return sorted({_name(curve) for curve in series.of_task(db, task)})


def _name(curve: series.Curve) -> tuple[str, str]:
    return curve.metric, curve.variant


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
