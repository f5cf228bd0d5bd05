"""`models.*`."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa

from waylab_tracking import requests, sight
from waylab_tracking.access import Kind
from waylab_tracking.database import models
from waylab_tracking.errors import ApiError, validation
from waylab_tracking.identity import COMPANY
from waylab_tracking.moment import new_id, now
from waylab_tracking.registry import Call, Json, endpoint, for_each
from waylab_tracking.services import documents, events, lifecycle
from waylab_tracking.shapes import shaped

logger = logging.getLogger(__name__)

EDITABLE = (
    "name",
    "comment",
    "tags",
    "system_tags",
    "framework",
    "uri",
    "labels",
    "design",
    "project",
    "task",
    "parent",
    "metadata",
    "ready",
)


@endpoint("models.create", takes=requests.Parts)
def create(call: Call) -> Json:
    """Make a model."""
    made = now()
    doc: Json = {
        "id": new_id(),
        "name": documents.require_name(call.need("name"), "model"),
        "user": call.who.id,
        "company": COMPANY,
        "created": made,
        "last_update": made,
        "last_change": made,
        "comment": "",
        "tags": [],
        "system_tags": [],
        "framework": None,
        "uri": "",
        "labels": {},
        "design": {},
        "project": None,
        "task": None,
        "parent": None,
        "metadata": {},
        "ready": False,
        "stats": {},
    }
    _take_fields(call, doc)
    call.db.execute(
        models.insert().values(
            id=doc["id"],
            project=doc["project"] or "",
            task=doc["task"] or "",
            created=made,
            doc=doc,
        )
    )
    return {"id": doc["id"], "created": True}


@endpoint("models.update_for_task")
def update_for_task(call: Call) -> Json:
    """Make or renew a task's output model."""
    task = documents.own_task(call)
    body = {name: call.body[name] for name in EDITABLE if name in call.body}
    body |= {"task": task["id"], "project": task["project"]}
    made = create(call.like(**{"name": task["name"], **body}))
    task["models"]["output"].append({"name": task["name"], "model": made["id"]})
    documents.save_task(call.db, task)
    return made


@endpoint("models.get_by_id")
def get_by_id(call: Call) -> Json:
    """Give one model."""
    return {"model": documents.get_model(call.db, call.need("model"))}


@endpoint("models.get_by_task_id")
def get_by_task_id(call: Call) -> Json:
    """Give a task's last output model."""
    task = documents.get_task(call.db, call.need("task"))
    outputs = task["models"]["output"]
    if not outputs:
        return {"model": None}
    last = outputs[-1]["model"]
    sight.require(call.db, call.who, Kind.MODEL, [last])
    found = documents.get_model(call.db, last)
    return {"model": found}


@endpoint("models.get_all", "models.get_all_ex", takes=requests.Listing)
def get_all(call: Call) -> Json:
    """List models, newest first unless ordered otherwise."""
    seen = sight.models_seen(call.db, call.who)
    rows = call.db.execute(
        sa.select(models.c.doc).where(seen).order_by(models.c.created.desc())
    ).scalars()
    docs = [dict(doc) for doc in rows]
    for name in ("task", "uri", "ready"):
        wanted = call.body.get(name)
        if wanted is not None:
            values = wanted if isinstance(wanted, list) else [wanted]
            docs = [doc for doc in docs if doc.get(name) in values]
    if (wanted := call.body.get("framework")) is not None:
        values = wanted if isinstance(wanted, list) else [wanted]
        docs = [doc for doc in docs if doc.get("framework") in values]
    return documents.answer_list(call, docs, "models")


@endpoint("models.get_frameworks")
def get_frameworks(call: Call) -> Json:
    """List the frameworks that models name."""
    seen = sight.models_seen(call.db, call.who)
    docs = call.db.execute(sa.select(models.c.doc).where(seen)).scalars()
    return {
        "frameworks": sorted({doc["framework"] for doc in docs if doc["framework"]})
    }


@endpoint("models.edit", "models.update", takes=requests.Parts)
def edit(call: Call) -> Json:
    """Change a model."""
    doc = documents.own_model(call)
    changed = _take_fields(call, doc)
    documents.save_model(call.db, doc)
    return {"updated": 1, "fields": changed}


@endpoint("models.set_ready", takes=requests.Publication)
def set_ready(call: Call) -> Json:
    """Publish a model and, unless told otherwise, the task that made it."""
    doc = documents.own_model(call)
    doc["ready"] = True
    documents.save_model(call.db, doc)
    return {"updated": 1, **_publish_task(call, doc)}


@endpoint("models.publish_many", takes=requests.Publication)
def publish_many(call: Call) -> Json:
    """Publish several models and, unless told otherwise, the tasks that made them."""

    def publish(one: Call) -> Json:
        wanted = {**one.body, "publish_task": one.body.get("publish_tasks")}
        return {**set_ready(one.like(**wanted)), "updated": True}

    return _many(call, publish)


def _publish_task(call: Call, model: Json) -> Json:
    """Publish the task of a model, if it has ended and is the caller's."""
    if call.body.get("publish_task") is False or not model["task"]:
        return {}
    forced = bool(call.body.get("force_publish_task"))
    try:
        done = lifecycle.publish(call.like(task=model["task"], force=forced))
    except ApiError as error:
        logger.info("Model %s is published without its task: %s", model["id"], error)
        return {}
    return {"published_task": {"id": model["task"], "data": done}}


@endpoint("models.delete_many")
def delete_many(call: Call) -> Json:
    """Delete several models."""
    return _many(call, delete)


@endpoint("models.archive_many")
def archive_many(call: Call) -> Json:
    """Put models out of sight."""
    return _many(call, lambda one: _set_archived(one, archived=True))


@endpoint("models.unarchive_many")
def unarchive_many(call: Call) -> Json:
    """Bring models back."""
    return _many(call, lambda one: _set_archived(one, archived=False))


@endpoint("models.move")
def move(call: Call) -> Json:
    """Move models to a project."""
    target = documents.target_project(call)
    for model in call.need("ids"):
        doc = documents.own_model(call.like(model=model))
        doc["project"] = target
        documents.save_model(call.db, doc)
    return {"project_id": target, "moved": len(call.need("ids"))}


@endpoint("models.add_or_update_metadata", takes=requests.Metadata)
def add_or_update_metadata(call: Call) -> Json:
    """Set metadata entries."""
    doc = documents.own_model(call)
    given = {str(one["key"]): dict(one) for one in call.need("metadata")}
    given = shaped("metadata", given)
    old = {} if call.body.get("replace_metadata") else doc["metadata"]
    doc["metadata"] = {**old, **given}
    documents.save_model(call.db, doc)
    return {"updated": 1}


@endpoint("models.delete_metadata")
def delete_metadata(call: Call) -> Json:
    """Drop metadata entries."""
    doc = documents.own_model(call)
    for key in call.need("keys"):
        doc["metadata"].pop(key, None)
    documents.save_model(call.db, doc)
    return {"updated": 1}


@endpoint("models.make_public")
def make_public(call: Call) -> Json:
    """Mark models as everybody's."""
    return _set_company(call, "")


@endpoint("models.make_private")
def make_private(call: Call) -> Json:
    """Mark models as this site's own."""
    return _set_company(call, COMPANY)


@endpoint("models.delete")
def delete(call: Call) -> Json:
    """Delete a model; its file is the file server's affair."""
    doc = documents.own_model(call)
    if doc["ready"] and not call.body.get("force"):
        raise ApiError(400, 203, f"Model is published: id={doc['id']}")
    call.db.execute(models.delete().where(models.c.id == doc["id"]))
    events.clear(call.db, doc["id"])
    return {"deleted": True, "url": doc["uri"]}


def _many(call: Call, handler: Callable[[Call], Json]) -> Json:
    return for_each(
        call, lambda one: handler(one.like(**one.body, model=one.body["task"]))
    )


def _set_company(call: Call, company: str) -> Json:
    ids = call.need("ids")
    for model in ids:
        doc = documents.own_model(call.like(model=model))
        doc["company"] = company
        documents.save_model(call.db, doc)
    return {"updated": len(ids)}


def _set_archived(call: Call, *, archived: bool) -> Json:
    doc = documents.own_model(call)
    rest = [tag for tag in doc["system_tags"] if tag != "archived"]
    doc["system_tags"] = [*rest, "archived"] if archived else rest
    documents.save_model(call.db, doc)
    return {"archived" if archived else "unarchived": True}


def _by_key(items: list[Json]) -> Json:
    for number, one in enumerate(items):
        if not isinstance(one.get("key"), str):
            msg = f"field 'metadata.{number}.key': a text is required"
            raise validation(msg)
    return {one["key"]: one for one in items}


def _take_fields(call: Call, doc: Json) -> Json:
    changed: Json = {}
    for name in EDITABLE:
        if call.body.get(name) is not None:
            value = call.body[name]
            if name == "metadata" and isinstance(value, list):
                value = _by_key(value)
            doc[name] = changed[name] = shaped(name, value)
    return changed
