"""`projects.*` that move whole projects, and say whose they are."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking import sharing
from waylab_tracking.database import models, projects, tasks
from waylab_tracking.errors import forbidden, validation
from waylab_tracking.identity import COMPANY
from waylab_tracking.moment import now
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.services.projects import rename, save


@endpoint("projects.move")
def move(call: Call) -> Json:
    """Move a project, with all below it, under another one or to the top."""
    doc = _own_tree(call, call.need("project"))
    above = str(call.body.get("new_location") or "").strip("/")
    name = f"{above}/{doc['basename']}" if above else doc["basename"]
    moved = len(documents.subprojects(call.db, [doc["id"]]))
    if name == doc["name"]:
        return {"moved": 0}
    rename(call, doc, name)
    save(call, doc)
    sharing.rescope(call.db)
    return {"moved": moved}


@endpoint("projects.merge")
def merge(call: Call) -> Json:
    """Move all that a project holds into another one, and delete it.

    Without a destination that is the project above.
    """
    doc = _own_tree(call, call.need("project"))
    target = call.body.get("destination_project") or doc["parent"]
    if not target:
        msg = "field 'destination_project' is required: no project is above this one"
        raise validation(msg)
    into = documents.own_project(call, target)
    if f"{into['name']}/".startswith(f"{doc['name']}/"):
        msg = f"project {doc['name']} cannot be merged into itself or what is below it"
        raise validation(msg)
    entities = sum(_take_over(call, table, doc, into) for table in (tasks, models))
    below = [
        documents.get_project(call.db, one)
        for one in documents.subprojects(call.db, [doc["id"]])
        if one != doc["id"]
    ]
    children = [one for one in below if one["parent"] == doc["id"]]
    for child in children:
        rename(call, child, f"{into['name']}/{child['basename']}")
        save(call, child)
    call.db.execute(projects.delete().where(projects.c.id == doc["id"]))
    sharing.rescope(call.db)
    return {"moved_entities": entities, "moved_projects": len(children)}


@endpoint("projects.make_public")
def make_public(call: Call) -> Json:
    """Have everybody see projects, and those below that say nothing else."""
    return _set_company(call, "")


@endpoint("projects.make_private")
def make_private(call: Call) -> Json:
    """Undo `make_public`: who sees the projects is as it was set before."""
    return _set_company(call, COMPANY)


def _own_tree(call: Call, project: object) -> Json:
    """Give a project that the caller may change with all below it (403 otherwise)."""
    doc = documents.own_project(call, project)
    for one in documents.subprojects(call.db, [doc["id"]]):
        documents.own_project(call, one)
    return doc


def _take_over(call: Call, table: sa.Table, doc: Json, into: Json) -> int:
    rows = call.db.execute(sa.select(table.c.doc).where(table.c.project == doc["id"]))
    docs = [dict(one) for one in rows.scalars()]
    for one in docs:
        if not call.who.is_operator and one["user"] != call.who.id:
            msg = f"{one['name']} in project {doc['name']} belongs to another user"
            raise forbidden(msg)
        one["project"] = into["id"]
        if table is tasks:
            documents.save_task(call.db, one)
        else:
            documents.save_model(call.db, one)
    return len(docs)


def _set_company(call: Call, company: str) -> Json:
    ids = call.need("ids")
    for one in ids:
        doc = documents.own_project(call, one)
        doc["company"], doc["last_update"] = company, now()
        save(call, doc)
    sharing.rescope(call.db)
    return {"updated": len(ids)}
