"""`events.*` that give scalars: curves, and values without an iteration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from waylab_tracking import requests, series
from waylab_tracking.errors import validation
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.services.events import SCALAR

MAX_POINTS = 6000
RAW_BATCH = 10_000
MAX_RAW_BATCH = 200_000
MAX_DIGITS = 15


@endpoint("events.scalar_metrics_iter_histogram", takes=requests.Series)
def scalar_metrics_iter_histogram(call: Call) -> Json:
    """Give all curves of a task, at most `samples` points each.

    Optimizers ask for this many times a second: what has not changed is remembered.
    """
    task = documents.require_reporter(call, call.need("task"))
    samples = min(call.body.get("samples") or MAX_POINTS, MAX_POINTS)
    return _curves(call, task, str(call.body.get("key") or "iter"), samples)


@endpoint("events.multi_task_scalar_metrics_iter_histogram", takes=requests.Series)
def multi_task_histogram(call: Call) -> Json:
    """Give the curves of several tasks."""
    answer: Json = {}
    key = str(call.body.get("key") or "iter")
    for task in call.need("tasks"):
        of_models = call.body.get("model_events")
        get = documents.get_model if of_models else documents.get_task
        name = get(call.db, task)["name"]
        for metric, variants in _curves(call, task, key, MAX_POINTS).items():
            for variant, curve in variants.items():
                answer.setdefault(metric, {}).setdefault(variant, {})[task] = {
                    **curve,
                    "name": name,
                }
    return answer


@endpoint("events.scalar_metrics_iter_raw", takes=requests.RawSeries)
def scalar_metrics_iter_raw(call: Call) -> Json:
    """Give the points of one metric, a variant after the other, in portions.

    The `scroll_id` says where the next portion begins; the last one has none.
    """
    body = call.body
    task = documents.require_reporter(call, call.need("task"))
    size = max(1, min(body.get("batch_size") or RAW_BATCH, MAX_RAW_BATCH))
    key = str(body.get("key") or "iter")
    wanted = _wanted(call.db, task, call.need("metric"))
    total = sum(curve.count for curve in wanted)
    start = _place(body.get("scroll_id"))
    stop = min(start + size, total)
    variants: Json = {}
    for curve, points in _portion(call.db, wanted, start, stop):
        found = variants.setdefault(curve.variant, {key: [], "y": []})
        found[key] += _across(points, key)
        found["y"] += points.values
    return {
        "variants": variants,
        "total": total if body.get("count_total") else None,
        "returned": max(stop - start, 0),
        "scroll_id": str(stop) if stop < total else None,
    }


@endpoint("events.get_scalar_metric_data", takes=requests.ScalarEvents)
def get_scalar_metric_data(call: Call) -> Json:
    """Give the points of a metric (of all without one) as events, in portions."""
    body = call.body
    task = documents.require_reporter(call, call.need("task"))
    size = max(1, min(body.get("batch_size") or RAW_BATCH, MAX_RAW_BATCH))
    every, metric = series.of_task(call.db, task), body.get("metric")
    wanted = [one for one in every if not metric or one.metric == metric]
    wanted.sort(key=lambda one: (one.metric, one.variant, not one.single))
    start = _place(body.get("scroll_id"))
    events = [
        {
            "type": SCALAR,
            "task": task,
            "metric": curve.metric,
            "variant": curve.variant,
            "iter": iteration,
            "timestamp": moment,
            "value": value,
        }
        for curve, points in _portion(call.db, wanted, start, start + size)
        for iteration, moment, value in zip(
            points.iters, points.times, points.values, strict=True
        )
    ]
    total = sum(curve.count for curve in wanted)
    more = not body.get("no_scroll") and start + len(events) < total
    return {
        "events": events,
        "returned": len(events),
        "total": total,
        "scroll_id": str(start + len(events)) if more else None,
    }


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


def _curves(call: Call, task: str, key: str, samples: int) -> Json:
    found = sorted(series.of_task(call.db, task), key=_name)
    mark = tuple(map(astuple, found))

    def read() -> Json:
        return _read(call.db, found, key, samples)

    return call.thinned.give(task, mark, (key, samples), read)


def _read(db: sa.Connection, found: list[series.Curve], key: str, samples: int) -> Json:
    answer: Json = {}
    for curve in found:
        if curve.single:
            continue
        points = series.thinned(db, curve, samples)
        answer.setdefault(curve.metric, {})[curve.variant] = {
            "name": curve.variant,
            "x": _across(points, key),
            "y": list(points.values),
        }
    return answer


def _wanted(db: sa.Connection, task: str, metric: Json) -> list[series.Curve]:
    """Give the curves of a metric, those of a variant together."""
    variants = metric.get("variants")
    found = [
        curve
        for curve in series.of_task(db, task)
        if curve.metric == metric["metric"]
        and (not variants or curve.variant in variants)
    ]
    # Values without an iteration have one that is before all others.
    return sorted(found, key=lambda curve: (curve.variant, not curve.single))


def _portion(
    db: sa.Connection, wanted: list[series.Curve], start: int, stop: int
) -> Iterator[tuple[series.Curve, series.Points]]:
    """Give what of curves, one after the other, lies between two places."""
    skipped = 0
    for curve in wanted:
        low, high = max(start - skipped, 0), min(stop - skipped, curve.count)
        skipped += curve.count
        if low < high:
            yield curve, series.stretch(db, curve, low, high)


def _place(scroll: str | None) -> int:
    if not scroll:
        return 0
    if not scroll.isdecimal() or len(scroll) > MAX_DIGITS:
        msg = f"field 'scroll_id': {scroll[:100]!r} is none that this server gave"
        raise validation(msg)
    return int(scroll)


def _across(points: series.Points, key: str) -> list[Any]:
    if key == "iter":
        return list(points.iters)
    return list(map(_moment, points.times) if key == "iso_time" else points.times)


def names(db: sa.Connection, task: str) -> list[tuple[str, str]]:
    """Give the metrics and variants of a task's scalars."""
    return sorted({_name(curve) for curve in series.of_task(db, task)})


def _name(curve: series.Curve) -> tuple[str, str]:
    return curve.metric, curve.variant


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
