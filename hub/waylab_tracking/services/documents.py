"""Reading and writing the documents that several services share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

import sqlalchemy as sa

from waylab_tracking import query
from waylab_tracking.access import Role
from waylab_tracking.database import models, projects, tasks
from waylab_tracking.errors import (
    ApiError,
    forbidden,
    invalid_project,
    invalid_task,
    not_unique,
    validation,
)
from waylab_tracking.identity import COMPANY, Principal
from waylab_tracking.moment import new_id, now
from waylab_tracking.registry import Call, Json

MIN_NAME = 3


def get_task(db: sa.Connection, task: object) -> Json:
    """Give a task's document (400/101 if there is none)."""
    doc = db.execute(sa.select(tasks.c.doc).where(tasks.c.id == task)).scalar()
    if doc is None:
        raise invalid_task(task)
    return dict(doc)


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
    doc = get_task(call.db, call.need(field))
    require_owner(call.who, doc)
    return doc


def own_model(call: Call) -> Json:
    """Give a model that the caller may change (403 otherwise)."""
    doc = get_model(call.db, call.need("model"))
    if not call.who.is_operator and doc["user"] != call.who.id:
        msg = f"model {doc['id']} belongs to another user"
        raise forbidden(msg)
    return doc


def require_owner(who: Principal, task: Json) -> None:
    """Let the owner, admins and agents through; a job only to its owner's tasks."""
    if who.is_operator or who.role is Role.AGENT or task["user"] == who.id:
        return
    msg = f"task {task['id']} belongs to another user"
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
)


def head(doc: Json) -> Json:
    """Give the part of a task that lists mostly do with."""
    kept = {name: doc[name] for name in HEAD if name in doc}
    kept["execution"] = {"queue": doc["execution"].get("queue")}
    return kept


def save_task(db: sa.Connection, doc: Json) -> None:
    """Write a task back."""
    doc["last_update"] = doc["last_change"] = now()
    db.execute(
        tasks.update()
        .where(tasks.c.id == doc["id"])
        .values(
            doc=doc,
            head=head(doc),
            project=doc["project"] or "",
            status=doc["status"],
            user=doc["user"],
        )
    )


def get_model(db: sa.Connection, model: object) -> Json:
    """Give a model's document (400/201 if there is none)."""
    doc = db.execute(sa.select(models.c.doc).where(models.c.id == model)).scalar()
    if doc is None:
        raise ApiError(400, 201, f"Invalid model id: id={model}")
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
    if _project_id(call.db, name) is not None:
        msg = f"name={name}"
        raise not_unique(msg)
    parent = None
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        found = _project_id(call.db, path)
        if found is None:
            found = _insert_project(
                call, path, parent, fields if depth == len(parts) else {}
            )
        parent = found
    return str(parent)


def ensure_project(call: Call, name: str) -> str:
    """Give the id of a project, making it when needed."""
    return _project_id(call.db, name) or create_project(call, name, {})


def target_project(call: Call) -> str:
    """Give the project that a `move` names by id or by name."""
    target = call.body.get("project")
    if not target:
        return ensure_project(call, str(call.need("project_name")))
    return str(get_project(call.db, target)["id"])


def subprojects(db: sa.Connection, ids: list[str]) -> list[str]:
    """Give the projects and all below them."""
    names = [
        row.name
        for row in db.execute(sa.select(projects.c.name).where(projects.c.id.in_(ids)))
    ]
    rows = db.execute(sa.select(projects.c.id, projects.c.name))
    below = tuple(f"{name}/" for name in names)
    return [row.id for row in rows if row.id in ids or row.name.startswith(below)]


def require_name(name: Any, what: str) -> str:
    """Check a name (400/800)."""
    if not isinstance(name, str) or len(name.strip()) < MIN_NAME:
        msg = f"the {what} name {name!r} is shorter than {MIN_NAME}"
        raise validation(msg)
    if re.search(r"[\x00-\x1f]", name):
        msg = f"the {what} name {name!r} has control characters"
        raise validation(msg)
    return name


def find(body: Json, docs: Iterable[Json], *, newest_first: bool = False) -> list[Json]:
    """Filter, order and page documents as a `get_all` asks.

    Documents that come in the wanted order are taken only as far as the page goes.
    """
    found = (doc for doc in docs if query.matches(doc, body))
    order = body.get("order_by")
    ordered = not order or (newest_first and order == ["-created"])
    shown = query.page(list(islice(found, query.end(body) if ordered else None)), body)
    if (ids := body.get("id")) and not body.get("order_by"):
        shown.sort(key=lambda doc: ids.index(doc["id"]))
    return shown


def answer_list(call: Call, docs: list[Json], name: str) -> Json:
    """Filter, order, page and project documents as a `get_all` asks."""
    fields = call.body.get("only_fields")
    return {name: [query.project(doc, fields) for doc in find(call.body, docs)]}


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
    call.db.execute(projects.insert().values(id=doc["id"], name=name, doc=doc))
    return str(doc["id"])
