"""`events.*` that give console lines."""

from __future__ import annotations

from waylab_tracking import journal, requests
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
    task = documents.require_task(call.db, call.need("task"))
    body = call.body
    earlier = body.get("navigate_earlier", True) is not False
    size = max(1, min(body.get("batch_size") or DEFAULT_BATCH, MAX_BATCH))
    start = body.get("from_timestamp")
    rows = journal.by_time(call.db, task, start, size, down=earlier)
    if (body.get("order") or ("desc" if earlier else "asc")) != (
        "desc" if earlier else "asc"
    ):
        rows.reverse()
    events = [shown(task, row) for row in rows]
    total = journal.count(call.db, task)
    return {"events": events, "returned": len(events), "total": total}


def shown(task: str, row: journal.Shown) -> Json:
    """Give a line as an event."""
    return {
        "type": LOG,
        "task": task,
        "timestamp": row[0],
        "worker": row[2],
        "level": row[3],
        "msg": row[4],
    }
