"""`queues.*` that tell how long tasks waited over time."""

from __future__ import annotations

import time

import sqlalchemy as sa

from waylab_tracking import history, worker_requests
from waylab_tracking.database import entries, queue_figures, queues
from waylab_tracking.errors import invalid_queue
from waylab_tracking.registry import Call, Json, endpoint

Figure = tuple[float, int]
"""The average wait in seconds, and how many tasks waited."""


def record(db: sa.Connection, queue: str, at: float | None = None) -> None:
    """Keep how a queue stands; call it before a task leaves and after one came."""
    moment = time.time() if at is None else at
    wait, length = _now(db, queue, moment)
    columns = queue_figures.c
    for tier in history.TIERS:
        start = tier.start(moment)
        key = sa.and_(
            columns.span == tier.span, columns.start == start, columns.queue == queue
        )
        row = db.execute(sa.select(queue_figures).where(key)).first()
        values: Json = {"wait": wait, "length": length}
        if row is None:
            values |= {"span": tier.span, "start": start, "queue": queue}
            db.execute(queue_figures.insert().values(values))
        elif (wait, length) > (row.wait, row.length):
            db.execute(queue_figures.update().where(key).values(values))


@endpoint("queues.get_queue_metrics", takes=worker_requests.QueueFigures)
def get_queue_metrics(call: Call) -> Json:
    """Give the longest average waits of tasks in each interval, and how many waited.

    Without `queue_ids` these are averages over all queues; with `refresh` the last
    interval has how things are now.
    """
    window = history.window(call.body)
    known = set(call.db.execute(sa.select(queues.c.id)).scalars())
    wanted = list(dict.fromkeys(call.body.get("queue_ids") or ()))
    for queue in wanted:
        if queue not in known:
            raise invalid_queue(queue)
    ids = wanted or sorted(known)
    now = time.time()
    found: dict[str, dict[int, Figure]] = {queue: {} for queue in ids}
    in_window = window.covers(queue_figures, window.tier(now))
    rows = call.db.execute(sa.select(queue_figures).where(in_window))
    told = [(row.queue, row.start, (row.wait, row.length)) for row in rows]
    if call.body.get("refresh") and window.begin <= now <= window.end:
        told += [(queue, int(now), _now(call.db, queue, now)) for queue in ids]
    for queue, start, figure in told:
        if queue in found:
            date = window.date(start)
            found[queue][date] = max(figure, found[queue].get(date, figure))
    if not wanted:
        found = {"all": _average(found)}
    return {"queues": [_shown(queue, dates) for queue, dates in found.items()]}


def _now(db: sa.Connection, queue: str, at: float) -> Figure:
    mine = entries.c.queue == queue
    row = db.execute(
        sa.select(sa.func.count(), sa.func.avg(at - entries.c.since)).where(mine)
    ).one()
    return max(float(row[1] or 0), 0.0), int(row[0])


def _average(found: dict[str, dict[int, Figure]]) -> dict[int, Figure]:
    dates = sorted({date for figures in found.values() for date in figures})
    answer: dict[int, Figure] = {}
    for date in dates:
        some = [figures[date] for figures in found.values() if date in figures]
        lengths = sum(length for _, length in some)
        wait = sum(wait for wait, _ in some) / len(some)
        answer[date] = (wait, round(lengths / len(some)))
    return answer


def _shown(queue: str, dates: dict[int, Figure]) -> Json:
    ordered = sorted(dates)
    return {
        "queue": queue,
        "dates": ordered,
        "avg_waiting_times": [dates[date][0] for date in ordered],
        "queue_lengths": [dates[date][1] for date in ordered],
    }
