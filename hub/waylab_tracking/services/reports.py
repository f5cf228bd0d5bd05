"""`events.*` that give plots, debug images, and raw events of any kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from waylab_tracking import journal, requests, series
from waylab_tracking.database import reports
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import console, curves, documents
from waylab_tracking.services.events import IMAGE, LOG, PLOT, SCALAR

MAX_BATCH = 10_000
DEFAULT_BATCH = 500
# The answers below are whole: a client that scrolls on has seen everything.
END = "end"
# Before the first of all events.
BEGIN = "-1"


@endpoint("events.get_task_plots", takes=requests.Series)
def get_task_plots(call: Call) -> Json:
    """Give the last plots of each variant."""
    found = _last_plots(call, [call.need("task")])
    return {"plots": found, **_whole(found)}


@endpoint("events.get_multi_task_plots", takes=requests.Series)
def get_multi_task_plots(call: Call) -> Json:
    """Give the last plots of each variant that several tasks have."""
    found = _last_plots(call, call.need("tasks"))
    plots: Json = {}
    for one in found:
        metric = plots.setdefault(one["metric"], {})
        by_task = metric.setdefault(one["variant"], {}).setdefault(one["task"], {})
        line = by_task.setdefault(str(one["iter"]), {"name": "", "plots": []})
        line["plots"].append(one)
    return {"plots": plots, **_whole(found)}


def _last_plots(call: Call, wanted: list[str]) -> list[Json]:
    if call.body.get("scroll_id"):
        return []
    return last_reports(call.db, wanted, PLOT, call.body.get("iters") or 1)


def _whole(found: list[Json]) -> Json:
    return {"returned": len(found), "total": len(found), "scroll_id": END}


@endpoint("events.debug_images", takes=requests.Series)
def debug_images(call: Call) -> Json:
    """Give the last debug images of metrics."""
    if call.body.get("scroll_id"):
        return {"metrics": [], "scroll_id": END}
    iters = call.body.get("iters") or 1
    metrics = []
    for wanted in call.body.get("metrics") or [{"task": call.need("task")}]:
        task = documents.require_reporter(call, wanted.get("task"))
        names = {name: wanted.get(name) for name in ("metric", "variants")}
        groups: dict[int, list[Json]] = {}
        for report in last_reports(call.db, [task], IMAGE, iters, **names):
            groups.setdefault(report["iter"], []).append(report)
        iterations = [
            {"iter": number, "events": events}
            for number, events in sorted(groups.items(), reverse=True)
        ]
        metrics.append({"task": task, "iterations": iterations})
    return {"metrics": metrics, "scroll_id": END}


@endpoint("events.get_task_events", takes=requests.Series)
def get_task_events(call: Call) -> Json:
    """Give a task's events of one kind in the order in which they came."""
    task = documents.require_reporter(call, call.need("task"))
    kind = str(call.body.get("event_type") or "")
    size = max(1, min(call.body.get("batch_size") or DEFAULT_BATCH, MAX_BATCH))
    scroll = str(call.body.get("scroll_id") or "")
    after = int(scroll) if scroll.lstrip("-").isdecimal() else None
    down = call.body.get("order") == "desc"
    if kind == LOG:
        lines = journal.by_number(call.db, task, after, size, down=down)
        found = [(row[1], console.shown(task, row)) for row in lines]
        total = journal.count(call.db, task)
    elif kind == SCALAR:
        points = series.in_order_of_arrival(call.db, task, after, size, down=down)
        found = [(row[0], _point(task, row)) for row in points]
        total = sum(curve.count for curve in series.of_task(call.db, task))
    else:
        found, total = _reports(call.db, task, kind, after, size, down=down)
    return {
        "events": [event for _, event in found],
        "returned": len(found),
        "total": total,
        "scroll_id": str(found[-1][0]) if found else scroll or BEGIN,
    }


def _reports(  # noqa: PLR0913 - one filter an argument
    db: sa.Connection, task: str, kind: str, after: int | None, size: int, *, down: bool
) -> tuple[list[tuple[int, Json]], int]:
    mine, place = reports.c.task == task, reports.c.seq
    if kind:
        mine = sa.and_(mine, reports.c.type == kind)
    statement = sa.select(reports).where(mine).limit(size)
    if after is not None:
        statement = statement.where(place < after if down else place > after)
    rows = db.execute(statement.order_by(place.desc() if down else place))
    found = [(row.seq, _shown(row)) for row in rows]
    count = sa.select(sa.func.count()).select_from(reports).where(mine)
    return found, int(db.execute(count).scalar_one())


def _point(task: str, row: series.Arrived) -> Json:
    _, _, curve, iteration, moment, value = row
    return {
        "type": SCALAR,
        "task": task,
        "metric": curve.metric,
        "variant": curve.variant,
        "iter": iteration,
        "timestamp": moment,
        "value": value,
    }


@endpoint("events.get_task_metrics", takes=requests.Series)
def get_task_metrics(call: Call) -> Json:
    """List the metrics of tasks."""
    kind = call.body.get("event_type") or SCALAR
    answer = []
    for task in call.need("tasks"):
        by_metric: dict[str, list[str]] = {}
        for metric, variant in _names(call.db, task, kind):
            by_metric.setdefault(metric, []).append(variant)
        metrics = [
            {"metric": metric, "variants": sorted(variants)}
            for metric, variants in sorted(by_metric.items())
        ]
        answer.append({"task": task, "metrics": metrics})
    return {"metrics": answer}


def last_reports(  # noqa: PLR0913 - one filter an argument
    db: sa.Connection,
    wanted: Iterable[str],
    kind: str,
    iters: int,
    *,
    metric: str | None = None,
    variants: Sequence[str] | None = None,
) -> list[Json]:
    """Give the reports of the last `iters` iterations that each variant has."""
    columns = reports.c
    found: list[Json] = []
    for task in wanted:
        statement = sa.select(
            columns.seq, columns.metric, columns.variant, columns.iter
        ).where(columns.task == task, columns.type == kind)
        if metric is not None:
            statement = statement.where(columns.metric == metric)
        if variants:
            statement = statement.where(columns.variant.in_(variants))
        seen: dict[tuple[str, str], set[int]] = {}
        picked = []
        order = (columns.iter.desc(), columns.seq.desc())
        for row in db.execute(statement.order_by(*order)):
            numbers = seen.setdefault((row.metric, row.variant), set())
            if row.iter in numbers or len(numbers) >= iters:
                continue  # Reported again for the same iteration: the last counts.
            numbers.add(row.iter)
            picked.append(row.seq)
        for start in range(0, len(picked), DEFAULT_BATCH):
            some = columns.seq.in_(picked[start : start + DEFAULT_BATCH])
            found += map(_shown, db.execute(sa.select(reports).where(some)))
    return sorted(found, key=lambda one: (one["iter"], one["metric"], one["variant"]))


def _names(db: sa.Connection, task: str, kind: str) -> list[tuple[str, str]]:
    if kind == SCALAR:
        return curves.names(db, task)
    columns = reports.c
    mine = sa.and_(columns.task == task, columns.type == kind)
    rows = db.execute(sa.select(columns.metric, columns.variant).where(mine).distinct())
    return [(row.metric, row.variant) for row in rows]


def _shown(row: Any) -> Json:
    return {
        **dict(row.doc),
        "type": row.type,
        "task": row.task,
        "metric": row.metric,
        "variant": row.variant,
        "iter": row.iter,
        "timestamp": row.timestamp,
    }
