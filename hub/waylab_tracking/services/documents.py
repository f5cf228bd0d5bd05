"""Reading and writing the documents that several services share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any

import sqlalchemy as sa

from waylab_tracking import listing, query, series, sharing, sight
from waylab_tracking.access import Kind
from waylab_tracking.database import models, projects, tasks
from waylab_tracking.errors import (
    ApiError,
    forbidden,
    invalid_model,
    invalid_project,
    invalid_task,
    not_unique,
    validation,
)
from waylab_tracking.identity import COMPANY
from waylab_tracking.moment import new_id, now
from waylab_tracking.registry import Call, Json

MIN_NAME = 3


def get_task(db: sa.Connection, task: object) -> Json:
    """Give a task's document (400/101 if there is none)."""
    row = db.execute(
        sa.select(tasks.c.doc, tasks.c.head).where(tasks.c.id == task)
    ).first()
    if row is None:
        raise invalid_task(task)
    doc = joined(row)
    doc["last_metrics"] = _last_metrics(series.of_task(db, str(task)))
    return doc


def get_head(db: sa.Connection, task: object) -> Json:
    """Give the head of a task's document (400/101 if there is none)."""
    found = db.execute(sa.select(tasks.c.head).where(tasks.c.id == task)).scalar()
    if found is None:
        raise invalid_task(task)
    return dict(found)


def joined(row: Any) -> Json:
    """Give a row's document with what changes too often to be written into it."""
    head = row.head
    fresh = {name: head[name] for name in LIVELY if name in head}
    if "last_update" in fresh:
        fresh["last_change"] = fresh["last_update"]
    return {**row.doc, **fresh}


def add_metrics(db: sa.Connection, docs: list[Json]) -> None:
    """Set the last values of the curves in several documents."""
    by_task: dict[str, list[series.Curve]] = {}
    for start in range(0, len(docs), 500):
        ids = [doc["id"] for doc in docs[start : start + 500]]
        for curve in series.of_tasks(db, ids):
            by_task.setdefault(curve.task, []).append(curve)
    for doc in docs:
        doc["last_metrics"] = _last_metrics(by_task.get(doc["id"], []))


def touch(db: sa.Connection, found: Json, iteration: int = 0) -> None:
    """Note in a head that the task was heard of, and how far it is."""
    found["last_update"] = now()
    found["last_iteration"] = max(found.get("last_iteration") or 0, iteration)
    db.execute(tasks.update().where(tasks.c.id == found["id"]).values(head=found))
    listing.hear(db, found)


def begin_anew(db: sa.Connection, task: str) -> None:
    """Set a task's iteration back to 0; what is no task has none."""
    found = db.execute(sa.select(tasks.c.head).where(tasks.c.id == task)).scalar()
    if found is not None:
        fresh = {**found, "last_iteration": 0}
        db.execute(tasks.update().where(tasks.c.id == task).values(head=fresh))
        listing.hear(db, fresh)


def require_task(db: sa.Connection, task: object) -> str:
    """Give the id of a task that exists (400/101 otherwise)."""
    known = db.execute(sa.select(tasks.c.id).where(tasks.c.id == task)).scalar()
    if known is None:
        raise invalid_task(task)
    return str(known)


def require_reporter(call: Call, reporter: object) -> str:
    """Give the id of a task, or of a model where the caller wants a model's reports."""
    if call.body.get("model_events"):
        return str(get_model(call.db, reporter)["id"])
    return require_task(call.db, reporter)


def own_task(call: Call, *, field: str = "task") -> Json:
    """Give a task that the caller may change (403 otherwise)."""
    task = call.need(field)
    sight.require(call.db, call.who, Kind.TASK, [task])
    doc = get_task(call.db, task)
    require_writer(call, doc)
    return doc


def own_model(call: Call) -> Json:
    """Give a model that the caller may change (403 otherwise)."""
    model = call.need("model")
    sight.require(call.db, call.who, Kind.MODEL, [model])
    doc = get_model(call.db, model)
    if not call.who.is_operator and doc["user"] != call.who.id:
        msg = f"model {doc['id']} belongs to another user"
        raise forbidden(msg)
    return doc


def require_writer(call: Call, doc: Json) -> None:
    """Let who may change a task or a model through (403): agents, what they took."""
    if not sight.may_change(call.db, call.who, doc["id"], doc["user"]):
        msg = f"task {doc['id']} belongs to another user"
        raise forbidden(msg)


HEAD = (
    "id",
    "name",
    "type",
    "project",
    "parent",
    "user",
    "status",
    "status_reason",
    "status_message",
    "status_changed",
    "created",
    "started",
    "completed",
    "last_update",
    "last_iteration",
    "tags",
    "system_tags",
    "comment",
    "company",
)


# What changes too often to be written into the document each time.
LIVELY = ("last_update", "last_iteration")


def head(doc: Json) -> Json:
    """Give the part of a task that lists mostly do with."""
    kept = {name: doc[name] for name in HEAD if name in doc}
    kept["execution"] = {"queue": doc["execution"].get("queue")}
    return kept


def save_task(db: sa.Connection, doc: Json) -> None:
    """Write a task back; its last metrics are those of its curves."""
    doc["last_update"] = doc["last_change"] = now()
    known = get_head(db, doc["id"]).get("last_iteration") or 0
    doc["last_iteration"] = max(doc.get("last_iteration") or 0, known)
    short = head(doc)
    db.execute(
        tasks.update()
        .where(tasks.c.id == doc["id"])
        .values(
            doc={**doc, "last_metrics": {}},
            head=short,
            project=doc["project"] or "",
            status=doc["status"],
            user=doc["user"],
        )
    )
    listing.write(db, short)


def get_model(db: sa.Connection, model: object) -> Json:
    """Give a model's document (400/201 if there is none)."""
    doc = db.execute(sa.select(models.c.doc).where(models.c.id == model)).scalar()
    if doc is None:
        raise invalid_model(model)
    return dict(doc)


def save_model(db: sa.Connection, doc: Json) -> None:
    """Write a model back."""
    doc["last_update"] = doc["last_change"] = now()
    db.execute(
        models.update()
        .where(models.c.id == doc["id"])
        .values(doc=doc, project=doc.get("project") or "", task=doc.get("task") or "")
    )


def get_project(db: sa.Connection, project: object) -> Json:
    """Give a project's document (400/401 if there is none)."""
    doc = db.execute(sa.select(projects.c.doc).where(projects.c.id == project)).scalar()
    if doc is None:
        raise invalid_project(project)
    return dict(doc)


def own_project(call: Call, project: object) -> Json:
    """Give a project that the caller may change (403 otherwise)."""
    sight.require(call.db, call.who, Kind.PROJECT, [project])
    doc = get_project(call.db, project)
    if not call.who.is_operator and doc["user"] != call.who.id:
        msg = f"project {doc['name']} belongs to another user"
        raise forbidden(msg)
    return doc


def create_project(call: Call, name: str, fields: Json) -> str:
    """Make a project and the parents that its name implies; give its id."""
    name = "/".join(part.strip() for part in name.split("/") if part.strip())
    if len(name) < MIN_NAME:
        msg = f"the project name {name!r} is shorter than {MIN_NAME}"
        raise validation(msg)
    if (known := _project_id(call.db, name)) is not None:
        _require_seen(call, known)
        msg = f"name={name}"
        raise not_unique(msg)
    parent = None
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        found = _project_id(call.db, path)
        if found is None:
            _require_seen(call, parent)
            found = _insert_project(
                call, path, parent, fields if depth == len(parts) else {}
            )
        parent = found
    return str(parent)


def ensure_project(call: Call, name: str) -> str:
    """Give the id of a project, making it when needed; 403 if it is hidden."""
    found = _project_id(call.db, name)
    _require_seen(call, found)
    return found or create_project(call, name, {})


def target_project(call: Call) -> str:
    """Give the project that a `move` names by id or by name."""
    target = call.body.get("project")
    if not target:
        return ensure_project(call, str(call.need("project_name")))
    return str(get_project(call.db, target)["id"])


def subprojects(db: sa.Connection, ids: list[str]) -> list[str]:
    """Give the projects and all below them; an id of none stays, and finds nothing."""
    names = [
        row.name
        for row in db.execute(sa.select(projects.c.name).where(projects.c.id.in_(ids)))
    ]
    rows = db.execute(sa.select(projects.c.id, projects.c.name))
    below = tuple(f"{name}/" for name in names)
    found = [row.id for row in rows if row.name.startswith(below)]
    return list(dict.fromkeys([*ids, *found]))


def require_name(name: Any, what: str) -> str:
    """Check a name (400/800)."""
    if not isinstance(name, str) or len(name.strip()) < MIN_NAME:
        msg = f"the {what} name {name!r} is shorter than {MIN_NAME}"
        raise validation(msg)
    if re.search(r"[\x00-\x1f]", name):
        msg = f"the {what} name {name!r} has control characters"
        raise validation(msg)
    return name


def find(body: Json, docs: Iterable[Json], *, in_order: bool = False) -> list[Json]:
    """Filter, order and page documents as a `get_all` asks.

    Documents that come in the wanted order are taken only as far as the page goes.
    """
    query.check(body)
    found = (doc for doc in docs if query.matches(doc, body))
    order = body.get("order_by")
    ordered = in_order or not order
    shown = query.page(list(islice(found, query.end(body) if ordered else None)), body)
    if (ids := body.get("id")) and not body.get("order_by"):
        places = {one: place for place, one in enumerate(ids)}
        shown.sort(key=lambda doc: places.get(doc["id"], len(places)))
    return shown


def answer_list(call: Call, docs: list[Json], name: str) -> Json:
    """Filter, order, page and project documents as a `get_all` asks."""
    fields = call.body.get("only_fields")
    return {name: [query.project(doc, fields) for doc in find(call.body, docs)]}


def _last_metrics(curves: list[series.Curve]) -> Json:
    found: Json = {}
    for curve in curves:
        names = md5(curve.metric), md5(curve.variant)
        found.setdefault(names[0], {})[names[1]] = {
            "metric": curve.metric,
            "variant": curve.variant,
            "value": curve.value,
            "min_value": curve.min_value,
            "min_value_iteration": curve.min_iteration,
            "max_value": curve.max_value,
            "max_value_iteration": curve.max_iteration,
            "first_value": curve.first_value,
            "first_value_iteration": curve.first_iteration,
            "count": curve.count,
            "mean_value": curve.mean_value,
        }
    return found


@lru_cache(4096)
def md5(text: str) -> str:
    """Give the hash under which a task keeps a metric or a variant."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _require_seen(call: Call, project: str | None) -> None:
    """Refuse to put anything into a project that the caller does not see."""
    try:
        sight.require(call.db, call.who, Kind.PROJECT, [project])
    except ApiError as error:
        msg = "a project of that name is there, and you are not among its members"
        raise forbidden(msg) from error


def _project_id(db: sa.Connection, name: str) -> str | None:
    return db.execute(sa.select(projects.c.id).where(projects.c.name == name)).scalar()


def _insert_project(call: Call, name: str, parent: str | None, fields: Json) -> str:
    made = now()
    doc = {
        "id": new_id(),
        "name": name,
        "basename": name.rpartition("/")[2],
        "description": fields.get("description") or "",
        "user": call.who.id,
        "company": COMPANY,
        "created": made,
        "last_update": made,
        "tags": fields.get("tags") or [],
        "system_tags": fields.get("system_tags") or [],
        "default_output_destination": fields.get("default_output_destination"),
        "parent": parent,
    }
    scope = sharing.scope_of(call.db, parent)
    row = {"id": doc["id"], "name": name, "doc": doc, "scope": scope}
    call.db.execute(projects.insert().values(row))
    return str(doc["id"])
