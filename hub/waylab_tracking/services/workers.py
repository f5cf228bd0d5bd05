"""`workers.*`: who serves which queue, and with what."""

from __future__ import annotations

import time

import sqlalchemy as sa

from waylab_tracking import fencing, query, sight, worker_requests
from waylab_tracking.access import Role
from waylab_tracking.database import tasks, workers
from waylab_tracking.errors import ApiError
from waylab_tracking.moment import now
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents, worker_figures, worker_view
from waylab_tracking.services.waiting import WORKER_SECONDS

LAST_SEEN_SECONDS = 3600.0


@endpoint("workers.register", takes=worker_requests.Report)
def register(call: Call) -> Json:
    """A worker has come."""
    worker = str(call.need("worker"))
    timeout = call.body.get("timeout")
    doc = {
        "id": worker,
        "user": call.who.id,
        "register_time": now(),
        "register_timeout": int(WORKER_SECONDS if timeout is None else timeout),
        "queues": list(call.body.get("queues") or []),
        "tags": list(call.body.get("tags") or []),
        "system_tags": list(call.body.get("system_tags") or []),
        "ip": call.address,
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


@endpoint("workers.status_report", takes=worker_requests.Report)
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
    if call.who.role is Role.AGENT and not sight.holds(call.db, call.who, task):
        doc["task"] = None  # Another has it now.
    elif task and fencing.is_given_up(call.db, call.origin, task):
        doc["task"] = None
    elif task:
        call.pulse.note(task, call.origin.host)
        _note_worker(call.db, task, worker)
    for name in ("queues", "tags", "system_tags"):
        if body.get(name) is not None:
            doc[name] = list(body[name])
    doc["queue"] = body.get("queue")
    doc["ip"] = call.address
    stats = body.get("machine_stats") or {}
    doc["machine_stats"] = stats
    if doc["task"]:
        doc["last_activity"] = now()
    _save(call.db, doc)
    worker_figures.record(call.db, worker, stats, busy=bool(doc["task"]))
    return {}


@endpoint("workers.get_all", takes=worker_requests.Workers)
def get_all(call: Call) -> Json:
    """List the workers whose time has not run out, with what they do."""
    body = call.body
    moment = time.time()
    seen = body.get("last_seen")
    oldest = moment - float(LAST_SEEN_SECONDS if seen is None else seen or moment)
    rows = call.db.execute(
        sa.select(workers).where(workers.c.last_seen >= oldest).order_by(workers.c.id)
    ).all()
    prefix = str(body.get("worker_pattern") or "").removesuffix("*")
    tags = {name: body.get(name) for name in query.TAGS}
    shown = worker_view.Views(call)
    return {
        "workers": [
            shown.of(row.doc, row.last_seen)
            for row in rows
            if row.id.startswith(prefix)
            and row.last_seen + row.doc["register_timeout"] >= moment
            and query.matches(row.doc, tags)
        ]
    }


@endpoint("workers.get_count", takes=worker_requests.Workers)
def get_count(call: Call) -> Json:
    """Count the workers."""
    return {"count": len(get_all(call)["workers"])}


@endpoint("workers.get_runtime_properties")
def get_runtime_properties(call: Call) -> Json:
    """Give what was set on a worker."""
    doc = _get(call, call.need("worker"))
    return {"runtime_properties": doc.get("runtime_properties") or []}


@endpoint("workers.set_runtime_properties", takes=worker_requests.Properties)
def set_runtime_properties(call: Call) -> Json:
    """Set values on a worker."""
    doc = _get(call, call.need("worker"))
    given = call.need("runtime_properties")
    keys = {one["key"] for one in given}
    kept = [one for one in doc["runtime_properties"] if one["key"] not in keys]
    doc["runtime_properties"] = [*kept, *given]
    _save(call.db, doc)
    return {"added": [one["key"] for one in given], "removed": [], "errors": []}


@endpoint("workers.cluster_report", takes=worker_requests.ClusterReport)
def cluster_report(call: Call) -> Json:
    """A worker tells of the cluster that it hands work out to."""
    doc = _get(call, call.need("worker"))
    told = ("key", "properties", "partial", "resource_groups", "timeout")
    doc["cluster"] = {name: call.body.get(name) for name in told}
    _save(call.db, doc)
    return {}


@endpoint("workers.cluster_unregister", takes=worker_requests.ClusterReport)
def cluster_unregister(call: Call) -> Json:
    """A cluster is no more: forget what the caller's workers told of it."""
    key, who = call.need("key"), call.who
    for doc in call.db.execute(sa.select(workers.c.doc)).scalars().all():
        if not who.is_operator and doc["user"] != who.id:
            continue
        if (doc.get("cluster") or {}).get("key") == key:
            kept = {name: one for name, one in doc.items() if name != "cluster"}
            mine = workers.update().where(workers.c.id == doc["id"])
            call.db.execute(mine.values(doc=kept))
    return {}


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
