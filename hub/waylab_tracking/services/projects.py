"""`projects.*`."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking.database import models, projects, tasks
from waylab_tracking.errors import ApiError, forbidden
from waylab_tracking.moment import now
from waylab_tracking.registry import PEOPLE, Call, Json, endpoint
from waylab_tracking.services import documents

EDITABLE = ("description", "tags", "system_tags", "default_output_destination")


@endpoint("projects.create", roles=PEOPLE)
def create(call: Call) -> Json:
    """Make a project and its parents."""
    name = documents.require_name(call.need("name"), "project")
    return {"id": documents.create_project(call, name, call.body)}


@endpoint("projects.get_all", "projects.get_all_ex")
def get_all(call: Call) -> Json:
    """List projects; hidden ones only when asked for."""
    docs = [dict(doc) for doc in call.db.execute(sa.select(projects.c.doc)).scalars()]
    if not call.body.get("search_hidden") and not call.body.get("id"):
        docs = [doc for doc in docs if "hidden" not in doc["system_tags"]]
    if call.body.get("shallow_search"):
        docs = [doc for doc in docs if doc["parent"] is None]
    docs.sort(key=lambda doc: str(doc["created"]), reverse=True)
    return documents.answer_list(call, docs, "projects")


@endpoint("projects.get_by_id")
def get_by_id(call: Call) -> Json:
    """Give one project."""
    return {"project": documents.get_project(call.db, call.need("project"))}


@endpoint("projects.update", roles=PEOPLE)
def update(call: Call) -> Json:
    """Change a project's name, description or tags."""
    doc = documents.get_project(call.db, call.need("project"))
    if not call.who.is_operator and doc["user"] != call.who.id:
        msg = f"project {doc['name']} belongs to another user"
        raise forbidden(msg)
    changed = {name: call.body[name] for name in EDITABLE if name in call.body}
    doc |= changed
    if name := call.body.get("name"):
        doc["name"] = changed["name"] = documents.require_name(name, "project")
        doc["basename"] = doc["name"].rpartition("/")[2]
    doc["last_update"] = now()
    call.db.execute(
        projects.update()
        .where(projects.c.id == doc["id"])
        .values(doc=doc, name=doc["name"])
    )
    return {"updated": 1, "fields": changed}


@endpoint("projects.delete", roles=PEOPLE)
def delete(call: Call) -> Json:
    """Delete a project that holds nothing, or everything with `force`."""
    doc = documents.get_project(call.db, call.need("project"))
    if not call.who.is_operator and doc["user"] != call.who.id:
        msg = f"project {doc['name']} belongs to another user"
        raise forbidden(msg)
    ids = documents.subprojects(call.db, [doc["id"]])
    for table in (tasks, models):
        held = call.db.execute(
            sa.select(sa.func.count()).where(table.c.project.in_(ids))
        ).scalar_one()
        if held:
            message = f"project {doc['name']} still holds {held} {table.name}"
            raise ApiError(400, 402, message)
    call.db.execute(projects.delete().where(projects.c.id.in_(ids)))
    return {"deleted": len(ids), "disassociated_tasks": 0}


@endpoint("projects.get_task_tags")
def get_task_tags(call: Call) -> Json:
    """List the tags that tasks carry."""
    return _tags(call, tasks)


@endpoint("projects.get_model_tags")
def get_model_tags(call: Call) -> Json:
    """List the tags that models carry."""
    return _tags(call, models)


def _tags(call: Call, table: sa.Table) -> Json:
    statement = sa.select(table.c.doc)
    if wanted := call.body.get("projects"):
        ids = documents.subprojects(call.db, list(wanted))
        statement = statement.where(table.c.project.in_(ids))
    docs = list(call.db.execute(statement).scalars())
    answer: Json = {"tags": sorted({tag for doc in docs for tag in doc["tags"] or ()})}
    if call.body.get("include_system"):
        system = {tag for doc in docs for tag in doc["system_tags"] or ()}
        answer["system_tags"] = sorted(system)
    return answer
