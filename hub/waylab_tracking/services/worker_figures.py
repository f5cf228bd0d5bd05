"""`workers.*` that tell what workers used over time."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from waylab_tracking import history, worker_requests
from waylab_tracking.database import worker_figures
from waylab_tracking.registry import Call, Json, endpoint

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_METRICS = 64
MAX_VARIANTS = 256
TOTAL = "total"

Figures = dict[str, dict[str, list[float]]]
"""Metric -> variant -> count, sum, smallest, largest."""


def record(
    db: sa.Connection, worker: str, stats: Json, *, busy: bool, at: float | None = None
) -> None:
    """Keep what a worker says that it uses; what is no number is left out."""
    moment = time.time() if at is None else at
    told = _told(stats)
    columns = worker_figures.c
    for tier in history.TIERS:
        start = tier.start(moment)
        key = sa.and_(
            columns.span == tier.span, columns.start == start, columns.worker == worker
        )
        row = db.execute(sa.select(worker_figures).where(key)).first()
        values = {
            "busy": busy or (row is not None and row.busy),
            "figures": _joined(row.figures if row is not None else {}, told),
        }
        if row is None:
            values |= {"span": tier.span, "start": start, "worker": worker}
            db.execute(worker_figures.insert().values(values))
        else:
            db.execute(worker_figures.update().where(key).values(values))


@endpoint("workers.get_stats", takes=worker_requests.WorkerFigures)
def get_stats(call: Call) -> Json:
    """Give what workers used in each interval: averages, least or most."""
    wanted: dict[str, list[str]] = {}
    for item in call.need("items"):
        kinds = wanted.setdefault(item["key"], [])
        if (kind := item.get("category") or "avg") not in kinds:
            kinds.append(kind)
    split = bool(call.body.get("split_by_variant"))
    series: dict[str, dict[tuple[str, str], dict[int, list[float]]]] = {}
    for worker, date, _, figures in _buckets(call):
        found = series.setdefault(worker, {})
        for metric in wanted.keys() & figures.keys():
            for variant, figure in figures[metric].items():
                dates = found.setdefault((metric, variant if split else ""), {})
                dates[date] = _added(dates.get(date), figure)
    return {
        "workers": [
            {
                "worker": worker,
                "metrics": [
                    _metric(metric, variant, dates, wanted[metric])
                    for (metric, variant), dates in sorted(found.items())
                ],
            }
            for worker, found in sorted(series.items())
        ]
    }


@endpoint("workers.get_activity_report", takes=worker_requests.Window)
def get_activity_report(call: Call) -> Json:
    """Count the workers that were heard of in each interval, and those that worked."""
    seen: dict[int, tuple[set[str], set[str]]] = {}
    for worker, date, busy, _ in _buckets(call):
        total, active = seen.setdefault(date, (set(), set()))
        total.add(worker)
        if busy:
            active.add(worker)
    dates = sorted(seen)
    return {
        name: {"dates": dates, "counts": [len(seen[date][place]) for date in dates]}
        for place, name in enumerate(("total", "active"))
    }


@endpoint("workers.get_metric_keys", takes=worker_requests.MetricKeys)
def get_metric_keys(call: Call) -> Json:
    """List what workers ever told of themselves, by the first word of its name."""
    longest = history.TIERS[-1]
    statement = sa.select(worker_figures.c.figures).where(
        worker_figures.c.span == longest.span
    )
    if workers := call.body.get("worker_ids"):
        statement = statement.where(worker_figures.c.worker.in_(workers))
    names = {name for one in call.db.execute(statement).scalars() for name in one}
    categories: dict[str, list[str]] = {}
    for name in sorted(names):
        categories.setdefault(name.partition("_")[0], []).append(name)
    return {
        "categories": [
            {"name": name, "metric_keys": keys} for name, keys in categories.items()
        ]
    }


def _buckets(call: Call) -> Iterator[tuple[str, int, bool, Figures]]:
    """Give worker, date of the interval, whether it worked, and figures of buckets."""
    window = history.window(call.body)
    tier = window.tier(time.time())
    statement = sa.select(worker_figures).where(window.covers(worker_figures, tier))
    if workers := call.body.get("worker_ids"):
        statement = statement.where(worker_figures.c.worker.in_(workers))
    for row in call.db.execute(statement.order_by(worker_figures.c.start)):
        yield (
            row.worker,
            window.date(row.start),
            row.busy,
            row.figures,
        )


def _told(stats: Json) -> Figures:
    found: Figures = {}
    for name, value in stats.items():
        if len(found) >= MAX_METRICS or not NAME.fullmatch(str(name)):
            continue
        several = isinstance(value, list)
        values = value[:MAX_VARIANTS] if several else [value]
        numbers = {
            str(place) if several else TOTAL: float(one)
            for place, one in enumerate(values)
            if isinstance(one, int | float) and math.isfinite(one)
        }
        if numbers:
            found[name] = {key: [1, one, one, one] for key, one in numbers.items()}
    return found


def _joined(known: Figures, told: Figures) -> Figures:
    joined = {metric: dict(variants) for metric, variants in known.items()}
    for metric, variants in told.items():
        kept = joined.setdefault(metric, {})
        for variant, figure in variants.items():
            kept[variant] = _added(kept.get(variant), figure)
    return joined


def _added(one: list[float] | None, other: list[float]) -> list[float]:
    if one is None:
        return list(other)
    return [
        one[0] + other[0],
        one[1] + other[1],
        min(one[2], other[2]),
        max(one[3], other[3]),
    ]


def _metric(
    metric: str, variant: str, dates: dict[int, list[float]], kinds: list[str]
) -> Json:
    ordered = sorted(dates)
    found: Json = {
        "metric": metric,
        "dates": ordered,
        "stats": [
            {
                "aggregation": kind,
                "values": [_value(dates[date], kind) for date in ordered],
            }
            for kind in kinds
        ],
    }
    return {**found, "variant": variant} if variant else found


def _value(figure: list[float], kind: str) -> Any:
    count, total, low, high = figure
    return {"min": low, "max": high}.get(kind, total / count)
