"""`queues.*`."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking import query, requests, sight
from waylab_tracking.access import Role
from waylab_tracking.database import queues, tasks
from waylab_tracking.errors import (
    ApiError,
    invalid_status,
    not_unique,
)
from waylab_tracking.identity import COMPANY
from waylab_tracking.moment import new_id, now
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import claims, documents, lifecycle, waiting

BUILT_IN = ("default", "services")
LAST = 1 << 30


@endpoint("queues.create")
def create(call: Call) -> Json:
    """Make a queue."""
    name = documents.require_name(call.need("name"), "queue")
    taken = sa.select(queues.c.id).where(queues.c.name == name)
    if call.db.execute(taken).first():
        msg = f"name={name}"
        raise not_unique(msg)
    doc: Json = {
        "id": new_id(),
        "name": name,
        "user": call.who.id,
        "company": COMPANY,
        "created": now(),
        "tags": call.body.get("tags") or [],
        "system_tags": call.body.get("system_tags") or [],
        "metadata": {},
    }
    call.db.execute(queues.insert().values(id=doc["id"], name=name, doc=doc))
    return {"id": doc["id"]}


@endpoint("queues.get_by_id", takes=requests.Queues)
def get_by_id(call: Call) -> Json:
    """Give a queue with its entries in order, `max_task_entries` at most."""
    queue = waiting.queue_by_id(call.db, call.need("queue"))
    return {"queue": {**queue, "entries": _entries(call, queue["id"])}}


@endpoint("queues.get_all", "queues.get_all_ex", takes=requests.Queues)
def get_all(call: Call) -> Json:
    """List queues with their entries in order, `max_task_entries` each at most."""
    rows = call.db.execute(sa.select(queues.c.doc).order_by(queues.c.name)).scalars()
    found = documents.find(call.body, [dict(doc) for doc in rows])
    docs = [{**doc, "entries": _entries(call, doc["id"])} for doc in found]
    fields = call.body.get("only_fields")
    return {"queues": [query.project(doc, fields) for doc in docs]}


@endpoint("queues.get_default")
def get_default(call: Call) -> Json:
    """Give the queue of tasks that name none."""
    return {"id": waiting.default_queue(call.db), "name": "default"}


@endpoint("queues.update")
def update(call: Call) -> Json:
    """Change a queue's name or tags."""
    doc = waiting.queue_by_id(call.db, call.need("queue"))
    changed: Json = {
        name: call.body[name]
        for name in ("name", "tags", "system_tags")
        if name in call.body
    }
    doc |= changed
    call.db.execute(
        queues.update()
        .where(queues.c.id == doc["id"])
        .values(doc=doc, name=documents.require_name(doc["name"], "queue"))
    )
    return {"updated": 1, "fields": changed}


@endpoint("queues.add_or_update_metadata", takes=requests.Metadata)
def add_or_update_metadata(call: Call) -> Json:
    """Set metadata items of a queue."""
    doc = waiting.queue_by_id(call.db, call.need("queue"))
    given = {str(one["key"]): dict(one) for one in call.need("metadata")}
    for one in given.values():
        one.pop("method", None)
    kept = {} if call.body.get("replace_metadata") else doc.get("metadata") or {}
    doc["metadata"] = {**kept, **given}
    _save(call, doc)
    return {"updated": 1}


@endpoint("queues.delete_metadata")
def delete_metadata(call: Call) -> Json:
    """Drop metadata items of a queue."""
    doc = waiting.queue_by_id(call.db, call.need("queue"))
    dropped = {str(key) for key in call.need("keys")}
    kept = doc.get("metadata") or {}
    doc["metadata"] = {key: item for key, item in kept.items() if key not in dropped}
    _save(call, doc)
    return {"updated": 1}


@endpoint("queues.delete")
def delete(call: Call) -> Json:
    """Delete a queue in which nothing waits."""
    doc = waiting.queue_by_id(call.db, call.need("queue"))
    if doc["name"] in BUILT_IN:
        raise ApiError(400, 704, f"The queue {doc['name']} cannot be deleted")
    waits = waiting.in_order(call.db, doc["id"])
    if waits and not call.body.get("force"):
        raise ApiError(400, 705, f"Queue is not empty: id={doc['id']}")
    for entry in waits:
        lifecycle.dequeue(call.like(task=entry["task"]))
    call.db.execute(queues.delete().where(queues.c.id == doc["id"]))
    return {"deleted": 1}


@endpoint("queues.get_num_entries")
def get_num_entries(call: Call) -> Json:
    """Count the waiting tasks."""
    queue = waiting.queue_by_id(call.db, call.need("queue"))
    return {"num": len(waiting.in_order(call.db, queue["id"]))}


@endpoint("queues.get_next_task")
def get_next_task(call: Call) -> Json:
    """Pop the next task, in one transaction."""
    queue = waiting.queue_by_id(call.db, call.need("queue"))
    line = waiting.in_order(call.db, queue["id"])
    if not line:
        return {}
    waiting.pop(call.db, line[0]["task"], queue["id"])
    claims.note(call, line[0]["task"])
    return {"entry": line[0]}


@endpoint("queues.peek_task")
def peek_task(call: Call) -> Json:
    """Give the next task without taking it."""
    queue = waiting.queue_by_id(call.db, call.need("queue"))
    line = _entries(call, queue["id"])
    return {"task": line[0]["task"]} if line else {}


@endpoint("queues.add_task")
def add_task(call: Call) -> Json:
    """Put a queued task (back) at the end of a queue."""
    queue = waiting.queue_by_id(call.db, call.need("queue"))
    doc = documents.own_task(call)
    if doc["status"] != "queued":
        msg = f"task {doc['id']} is {doc['status']}, not queued"
        raise invalid_status(msg)
    waiting.append(call.db, queue, doc["id"])
    claims.note(call, doc["id"])  # Who gives a task back may still move it.
    doc["execution"]["queue"] = queue["id"]
    documents.save_task(call.db, doc)
    return {"added": 1}


@endpoint("queues.remove_task", takes=requests.Dequeue)
def remove_task(call: Call) -> Json:
    """Take one task out of a queue: of several callers one gets 1, the others 0."""
    queue = waiting.queue_by_id(call.db, call.need("queue"))
    doc = documents.get_task(call.db, call.need("task"))
    removed = waiting.remove(call.db, doc["id"], queue["id"])
    if removed and call.who.role is Role.AGENT:
        waiting.pop(call.db, doc["id"], queue["id"])
    if removed:
        claims.note(call, doc["id"])
    if removed and call.body.get("update_task_status"):
        doc["status"] = "created"
        documents.save_task(call.db, doc)
    return {"removed": removed}


@endpoint("queues.move_task_to_front")
def move_task_to_front(call: Call) -> Json:
    """Make a task the next one."""
    return _move(call, to=0)


@endpoint("queues.move_task_to_back")
def move_task_to_back(call: Call) -> Json:
    """Make a task the last one."""
    return _move(call, to=LAST)


@endpoint("queues.move_task_forward")
def move_task_forward(call: Call) -> Json:
    """Move a task towards the front."""
    return _move(call, by=-int(call.body.get("count") or 1))


@endpoint("queues.move_task_backward")
def move_task_backward(call: Call) -> Json:
    """Move a task towards the end."""
    return _move(call, by=int(call.body.get("count") or 1))


def _entries(call: Call, queue: str) -> list[Json]:
    """Give the line as the caller sees it: others' hidden tasks are in it, unnamed."""
    line = waiting.in_order(call.db, queue, call.body.get("max_task_entries"))
    seen = sight.tasks_seen(call.db, call.who)
    if not line or seen.compare(sa.true()):
        return line
    ids = tasks.c.id.in_([one["task"] for one in line])
    known = set(call.db.execute(sa.select(tasks.c.id).where(ids, seen)).scalars())
    return [one if one["task"] in known else {**one, "task": ""} for one in line]


def _save(call: Call, doc: Json) -> None:
    call.db.execute(queues.update().where(queues.c.id == doc["id"]).values(doc=doc))


def _move(call: Call, *, to: int | None = None, by: int = 0) -> Json:
    queue = waiting.queue_by_id(call.db, call.need("queue"))
    task = documents.own_task(call)["id"]
    at = waiting.index_of(call.db, queue["id"], task)
    index = at + by if to is None else to
    return {"position": waiting.place(call.db, queue["id"], task, index)}


def create_built_in(db: sa.Connection) -> None:
    """Make the queues that the SDK expects to be there."""
    for name in BUILT_IN:
        known = sa.select(queues.c.id).where(queues.c.name == name)
        if db.execute(known).first() is None:
            doc = {
                "id": new_id(),
                "name": name,
                "user": "system",
                "company": COMPANY,
                "created": now(),
                "tags": [],
                "system_tags": [],
                "metadata": {},
            }
            db.execute(queues.insert().values(id=doc["id"], name=name, doc=doc))
