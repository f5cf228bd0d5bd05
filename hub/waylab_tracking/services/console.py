"""`events.*` that give console lines."""

from __future__ import annotations

import time

from waylab_tracking import journal, log_text, requests
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


@endpoint("events.clear_task_log", takes=requests.LogText)
def clear_task_log(call: Call) -> Json:
    """Drop a task's lines, or with `threshold_sec` those that are older."""
    task = str(documents.own_task(call)["id"])
    seconds = call.body.get("threshold_sec")
    before = (time.time() - seconds) * 1000 if seconds else None
    return {"deleted": journal.drop(call.db, task, before)}


@endpoint("events.download_task_log", takes=requests.LogText)
def download_task_log(call: Call) -> Json:
    """Give a task's lines as text; the answer has no envelope."""
    return {
        "task": documents.require_task(call.db, call.need("task")),
        "kind": call.body.get("line_type") or "text",
        "form": call.body.get("line_format") or log_text.FORMAT,
    }


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
