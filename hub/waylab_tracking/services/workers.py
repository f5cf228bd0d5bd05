"""`workers.*`: who serves which queue, and with what."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import sqlalchemy as sa

from waylab_tracking import fencing, requests
from waylab_tracking.database import queues, tasks, users, workers
from waylab_tracking.errors import ApiError
from waylab_tracking.identity import COMPANY
from waylab_tracking.moment import now
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.services.waiting import WORKER_SECONDS


@endpoint("workers.register", takes=requests.Report)
def register(call: Call) -> Json:
    """A worker has come."""
    worker = str(call.need("worker"))
    doc = {
        "id": worker,
        "user": call.who.id,
        "register_time": now(),
        "register_timeout": int(call.body.get("timeout") or WORKER_SECONDS),
        "queues": list(call.body.get("queues") or []),
        "tags": list(call.body.get("tags") or []),
        "system_tags": list(call.body.get("system_tags") or []),
        "ip": "",
        "task": None,
        "runtime_properties": [],
    }
    _save(call.db, doc)
    return {}


@endpoint("workers.unregister")
def unregister(call: Call) -> Json:
    """A worker goes."""
    worker = call.need("worker")
    _get(call, worker)
    call.db.execute(workers.delete().where(workers.c.id == worker))
    return {}


@endpoint("workers.status_report", takes=requests.Report)
def status_report(call: Call) -> Json:
    """A worker lives, and tells what it does and uses."""
    body = call.body
    worker = str(call.need("worker"))
    try:
        doc = _get(call, worker)
    except ApiError:
        register(call)
        doc = _get(call, worker)
    doc["task"] = task = body.get("task")
    if task and fencing.is_given_up(call.db, call.origin, task):
        doc["task"] = None
    elif task:
        call.pulse.note(task, call.origin.host)
        _note_worker(call.db, task, worker)
    if body.get("queues") is not None:
        doc["queues"] = list(body["queues"])
    doc["queue"] = body.get("queue")
    doc["machine_stats"] = body.get("machine_stats") or {}
    _save(call.db, doc)
    return {}


@endpoint("workers.get_all", takes=requests.Report)
def get_all(call: Call) -> Json:
    """List the workers that were heard of lately."""
    oldest = time.time() - float(call.body.get("last_seen") or WORKER_SECONDS)
    rows = call.db.execute(
        sa.select(workers).where(workers.c.last_seen >= oldest).order_by(workers.c.id)
    ).all()
    pattern = call.body.get("worker_pattern")
    prefix = str(pattern).removesuffix("*") if pattern else ""
    return {
        "workers": [
            _shown(call.db, row.doc, row.last_seen)
            for row in rows
            if row.id.startswith(prefix)
        ]
    }


@endpoint("workers.get_count")
def get_count(call: Call) -> Json:
    """Count the workers."""
    return {"count": len(get_all(call)["workers"])}


@endpoint("workers.get_runtime_properties")
def get_runtime_properties(call: Call) -> Json:
    """Give what was set on a worker."""
    doc = _get(call, call.need("worker"))
    return {"runtime_properties": doc.get("runtime_properties") or []}


@endpoint("workers.set_runtime_properties", takes=requests.Properties)
def set_runtime_properties(call: Call) -> Json:
    """Set values on a worker."""
    doc = _get(call, call.need("worker"))
    given = call.need("runtime_properties")
    keys = {one["key"] for one in given}
    kept = [one for one in doc["runtime_properties"] if one["key"] not in keys]
    doc["runtime_properties"] = [*kept, *given]
    _save(call.db, doc)
    return {"added": [one["key"] for one in given], "removed": [], "errors": []}


def _note_worker(db: sa.Connection, task: str, worker: str) -> None:
    """Tell in the task who runs it, and that it lives."""
    found = db.execute(sa.select(tasks.c.doc).where(tasks.c.id == task)).scalar()
    if found is not None and found["status"] == "in_progress":
        doc = dict(found)
        doc["last_worker"], doc["last_worker_report"] = worker, now()
        documents.save_task(db, doc)


def _get(call: Call, worker: object) -> Json:
    doc = call.db.execute(
        sa.select(workers.c.doc).where(workers.c.id == worker)
    ).scalar()
    if doc is None:
        raise ApiError(400, 1001, f"Invalid worker id: id={worker}")
    return dict(doc)


def _save(db: sa.Connection, doc: Json) -> None:
    db.execute(workers.delete().where(workers.c.id == doc["id"]))
    db.execute(workers.insert().values(id=doc["id"], last_seen=time.time(), doc=doc))


def _shown(db: sa.Connection, doc: Json, last_seen: float) -> Json:
    names = {
        row.id: row.name
        for row in db.execute(
            sa.select(queues.c.id, queues.c.name).where(queues.c.id.in_(doc["queues"]))
        )
    }
    user = db.execute(sa.select(users.c.name).where(users.c.id == doc["user"])).scalar()
    seen = datetime.fromtimestamp(last_seen, UTC).isoformat()
    shown = {
        "id": doc["id"],
        "user": {"id": doc["user"], "name": user or "system"},
        "company": {"id": COMPANY, "name": COMPANY},
        "ip": doc["ip"],
        "register_time": doc["register_time"],
        "last_activity_time": seen,
        "last_report_time": seen,
        # The SDK's optimizer reads names: ids alone end its report thread.
        "queues": [
            {"id": queue, "name": names[queue], "next_task": None, "num_tasks": 0}
            for queue in doc["queues"]
            if queue in names
        ],
        "tags": doc["tags"],
        "system_tags": doc["system_tags"],
    }
    if doc.get("task"):
        task = db.execute(
            sa.select(tasks.c.head).where(tasks.c.id == doc["task"])
        ).scalar()
        if task is not None:
            shown["task"] = {
                "id": task["id"],
                "name": task["name"],
                "running_time": 0,
                "last_iteration": task["last_iteration"],
            }
    return shown
