"""`tasks.*` that move a task through its life: enqueue, start, stop, end, reset."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from waylab_tracking import executions, fencing, requests
from waylab_tracking.access import Role
from waylab_tracking.errors import invalid_status, validation
from waylab_tracking.moment import now
from waylab_tracking.registry import Call, Json, endpoint, for_each
from waylab_tracking.services import (
    documents,
    events,
    liveness,
    once,
    removal,
    waiting,
)

ENQUEUED_FROM = ("created", "stopped", "failed")
DEQUEUED_TO = ("created", "stopped", "failed")
STARTED_FROM = ("created", "queued", "stopped", "failed", "in_progress")
ENDED_FROM = {
    "completed": ("in_progress", "stopped", "created"),
    "failed": ("in_progress", "queued", "created", "stopped"),
    "stopped": ("in_progress", "queued", "created"),
}


@endpoint("tasks.enqueue", takes=requests.Enqueuing)
def enqueue(call: Call) -> Json:
    """Put a task at the end of a queue; once for each key, if one is given."""
    doc = documents.own_task(call)
    key = call.body.get("idempotency_key")
    if key and once.is_used(call, key):
        watched = waiting.is_watched(call.db, doc["execution"].get("queue") or "")
        return {"queued": 1, "updated": 0, "fields": {}, "queue_watched": watched}
    if name := call.body.get("queue_name"):
        queue = waiting.queue_by_name(call.db, name)
    else:
        queue = waiting.queue_by_id(
            call.db, call.body.get("queue") or waiting.default_queue(call.db)
        )
    if doc["status"] == "queued":
        waiting.refuse_if_waiting(call.db, doc["id"])
    _require(call, doc, ENQUEUED_FROM, "queued")
    fields = _set_status(call, doc, "queued")
    doc["execution"]["queue"] = queue["id"]
    fields["execution.queue"] = queue["id"]
    documents.save_task(call.db, doc)
    waiting.append(call.db, queue, doc["id"])
    executions.forgive(call.db, doc["id"])
    if key:
        once.keep(call, key)
    watched = waiting.is_watched(call.db, queue["id"])
    return {"queued": 1, "updated": 1, "fields": fields, "queue_watched": watched}


@endpoint("tasks.enqueue_many", takes=requests.Enqueuing)
def enqueue_many(call: Call) -> Json:
    """Put several tasks at the end of a queue."""
    key = call.body.get("idempotency_key")

    def one(each: Call) -> Json:
        own = {"idempotency_key": f"{key} {each.body['task']}"} if key else {}
        return _enqueue_one(each.like(**{**each.body, **own}))

    return for_each(call, one)


@endpoint("tasks.dequeue", takes=requests.Dequeue)
def dequeue(call: Call) -> Json:
    """Take a waiting task out of its queue; it is a draft again."""
    doc = documents.own_task(call)
    if doc["status"] != "queued":
        msg = f"task {doc['id']} is {doc['status']}, not queued"
        raise invalid_status(msg)
    removed = waiting.remove(call.db, doc["id"])
    status = call.body.get("new_status") or "created"
    if status not in DEQUEUED_TO:
        msg = f"field 'new_status': {status!r} is none of {', '.join(DEQUEUED_TO)}"
        raise validation(msg)
    fields = _set_status(call, doc, status)
    doc["execution"]["queue"] = None
    documents.save_task(call.db, doc)
    return {"dequeued": removed, "updated": 1, "fields": fields}


@endpoint("tasks.started")
def started(call: Call) -> Json:
    """A worker has begun."""
    doc = documents.own_task(call)
    host, named = call.origin.host, call.origin.execution
    if doc["status"] == "in_progress":
        if not named:
            fencing.refuse_given_up(call.db, call.origin, doc["id"])
        return {"updated": 0, "started": 0, "fields": {}}
    # An agent starts what it claimed: an abort in between is not overruled.
    agent = call.who.role is Role.AGENT
    _require(call, doc, ("queued",) if agent else STARTED_FROM, "in_progress")
    waiting.remove(call.db, doc["id"])
    queue = doc["execution"].get("queue") or ""
    if doc["status"] != "queued":
        queue = ""
        executions.renew(call.db, doc["id"])
    chosen = named if agent else None
    executions.begin(call.db, doc["id"], queue, named=chosen, ours=agent)
    executions.lift(call.db, doc["id"], host)
    call.pulse.begin(doc["id"], host)
    fields = _set_status(call, doc, "in_progress")
    doc["started"] = fields["started"] = now()
    doc.pop("completed", None)
    doc["active_duration"] = 0
    documents.save_task(call.db, doc)
    return {"updated": 1, "started": 1, "fields": fields}


@endpoint("tasks.stop")
def stop(call: Call) -> Json:
    """Ask a running task to stop; one that waits is stopped at once."""
    doc = documents.own_task(call)
    if doc["status"] == "in_progress" and not call.body.get("force"):
        doc["status_message"] = "stopping"
        doc["status_reason"] = call.body.get("status_reason") or ""
        documents.save_task(call.db, doc)
        return {"updated": 1, "fields": {"status_message": "stopping"}}
    return _end(call, doc, "stopped")


@endpoint("tasks.stop_many")
def stop_many(call: Call) -> Json:
    """Ask several tasks to stop."""
    return for_each(call, stop)


@endpoint("tasks.dequeue_many", takes=requests.Dequeue)
def dequeue_many(call: Call) -> Json:
    """Take several waiting tasks out of their queues."""
    return for_each(call, dequeue)


@endpoint("tasks.reset_many", takes=requests.Removal)
def reset_many(call: Call) -> Json:
    """Make several tasks drafts again."""
    return for_each(call, _reset_one)


@endpoint("tasks.publish_many")
def publish_many(call: Call) -> Json:
    """Freeze several ended tasks."""
    return for_each(call, publish)


@endpoint("tasks.stopped")
def stopped(call: Call) -> Json:
    """A task was ended before its end."""
    return _end(call, documents.own_task(call), "stopped")


@endpoint("tasks.failed")
def failed(call: Call) -> Json:
    """A task has failed; an agent that has lost its job may see it queued again."""
    doc = documents.own_task(call)
    reason = call.body.get("status_reason")
    if call.who.role is Role.AGENT and reason == liveness.AGENT_LOST:
        _require(call, doc, ("in_progress",), "failed")
        why = str(call.body.get("status_message") or "The run was lost").rstrip(".")
        if liveness.take_back(call.db, doc, call.rules, (), why):
            names = ("status", "status_reason", "status_message", "status_changed")
            return {"updated": 1, "fields": {name: doc[name] for name in names}}
    return _end(call, doc, "failed")


@endpoint("tasks.completed", "tasks.close")
def completed(call: Call) -> Json:
    """A task has done its work."""
    doc = documents.own_task(call)
    answer = _end(call, doc, "completed")
    if call.body.get("publish"):
        _set_status(call, doc, "published")
        doc["published"] = now()
        documents.save_task(call.db, doc)
        answer["published"] = 1
    return answer


@endpoint("tasks.publish")
def publish(call: Call) -> Json:
    """Freeze an ended task."""
    doc = documents.own_task(call)
    _require(call, doc, ("completed", "stopped", "failed"), "published")
    fields = _set_status(call, doc, "published")
    doc["published"] = now()
    documents.save_task(call.db, doc)
    return {"updated": 1, "fields": fields}


@endpoint("tasks.ping")
def ping(call: Call) -> Json:
    """A task lives."""
    doc = documents.own_task(call)
    documents.save_task(call.db, doc)
    call.pulse.note(doc["id"], call.origin.host)
    return {}


@endpoint("tasks.reset", takes=requests.Removal)
def reset(call: Call) -> Json:
    """Make a task a draft again and drop what it produced.

    Its output models go as with `tasks.delete`; `clear_all` drops its inputs as well.
    """
    doc = documents.own_task(call)
    if doc["status"] in ("published", "in_progress") and not call.body.get("force"):
        msg = f"task {doc['id']} is {doc['status']}: use force"
        raise invalid_status(msg)
    dequeued = waiting.remove(call.db, doc["id"])
    dropped = removal.drop_output_models(call, doc)
    urls = removal.files(call, doc, dropped)
    events.clear(call.db, doc["id"])
    executions.renew(call.db, doc["id"])
    fields = _set_status(call, doc, "created")
    for name in ("started", "completed", "published", "active_duration"):
        doc.pop(name, None)
    doc["status_reason"] = doc["status_message"] = ""
    doc["last_iteration"], doc["last_metrics"], doc["runtime"] = 0, {}, {}
    doc["models"]["output"] = []
    doc["execution"]["queue"] = None
    doc["execution"]["artifacts"] = [
        one
        for one in doc["execution"].get("artifacts") or []
        if one.get("mode") == "input"
    ]
    if call.body.get("clear_all"):
        doc["script"], doc["execution"] = {}, {"artifacts": [], "parameters": {}}
    documents.save_task(call.db, doc)
    return {
        "updated": 1,
        "dequeued": {"removed": dequeued},
        "deleted_models": len(dropped),
        "fields": fields,
        **urls,
    }


def _enqueue_one(call: Call) -> Json:
    answer = enqueue(call)
    names = ("updated", "fields")
    return {"queued": True, **{name: answer[name] for name in names}}


def _reset_one(call: Call) -> Json:
    answer = reset(call)
    return {**answer, "dequeued": bool(answer["dequeued"]["removed"])}


def _end(call: Call, doc: Json, status: str) -> Json:
    _require(call, doc, ENDED_FROM[status], status)
    waiting.remove(call.db, doc["id"])
    fields = _set_status(call, doc, status)
    doc["completed"] = fields["completed"] = now()
    if began := doc.get("started"):
        doc["active_duration"] = int(_seconds(doc["completed"]) - _seconds(began))
    documents.save_task(call.db, doc)
    return {"updated": 1, "fields": fields}


def _require(call: Call, doc: Json, allowed: tuple[str, ...], wanted: str) -> None:
    if doc["status"] not in allowed and not call.body.get("force"):
        msg = f"task {doc['id']} cannot change from {doc['status']} to {wanted}"
        raise invalid_status(msg)


def _set_status(call: Call, doc: Json, status: str) -> dict[str, Any]:
    doc["status"] = status
    doc["status_changed"] = now()
    doc["status_reason"] = call.body.get("status_reason") or ""
    doc["status_message"] = call.body.get("status_message") or ""
    names = ("status", "status_changed", "status_reason", "status_message")
    return {name: doc[name] for name in names}


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
