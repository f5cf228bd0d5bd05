"""`events.*` that give console lines."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking import requests
from waylab_tracking.database import logs
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.services.events import LOG

DEFAULT_BATCH = 500
MAX_BATCH = 10_000


@endpoint("events.get_task_log", takes=requests.Series)
def get_task_log(call: Call) -> Json:
    """Give console lines from a time on, forward or back.

    Lines of one moment are never torn apart: the last moment of a batch is given
    whole, so that going on from its time misses nothing.
    """
    task = documents.get_task(call.db, call.need("task"))["id"]
    body = call.body
    earlier = body.get("navigate_earlier", True) is not False
    size = max(1, min(body.get("batch_size") or DEFAULT_BATCH, MAX_BATCH))
    moment, place = logs.c.timestamp, logs.c.seq
    mine = logs.c.task == task
    statement = sa.select(logs).where(mine)
    if (start := body.get("from_timestamp")) is not None:
        statement = statement.where(moment < start if earlier else moment > start)
    order = (moment.desc(), place.desc()) if earlier else (moment, place)
    rows = list(call.db.execute(statement.order_by(*order).limit(size)))
    if len(rows) == size:
        last = rows[-1]
        beyond = place < last.seq if earlier else place > last.seq
        same = sa.select(logs).where(mine, moment == last.timestamp, beyond)
        rows += call.db.execute(same.order_by(*order))
    if (body.get("order") or ("desc" if earlier else "asc")) != (
        "desc" if earlier else "asc"
    ):
        rows.reverse()
    count = sa.select(sa.func.count()).select_from(logs).where(mine)
    events = [
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
    total = call.db.execute(count).scalar_one()
    return {"events": events, "returned": len(events), "total": total}
