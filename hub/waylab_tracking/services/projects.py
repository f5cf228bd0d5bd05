"""`projects.*`."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking import query, requests, sharing, sight
from waylab_tracking.database import curves, models, projects, tasks
from waylab_tracking.errors import not_unique, validation
from waylab_tracking.moment import now
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents, project_stats

EDITABLE = ("description", "tags", "system_tags", "default_output_destination")


@endpoint("projects.create", takes=requests.Parts)
def create(call: Call) -> Json:
    """Make a project and its parents."""
    name = documents.require_name(call.need("name"), "project")
    return {"id": documents.create_project(call, name, call.body)}


@endpoint("projects.get_all", "projects.get_all_ex", takes=requests.Listing)
def get_all(call: Call) -> Json:
    """List projects; hidden ones only when asked for."""
    seen = sight.projects_seen(call.db, call.who)
    rows = call.db.execute(sa.select(projects.c.doc).where(seen))
    docs = [dict(doc) for doc in rows.scalars()]
    body = call.body
    if not body.get("search_hidden") and not body.get("id"):
        docs = [doc for doc in docs if "hidden" not in doc["system_tags"]]
    if body.get("shallow_search"):
        above = body.get("parent") or [None]
        docs = [doc for doc in docs if doc["parent"] in above]
    docs.sort(key=lambda doc: str(doc["created"]), reverse=True)
    shown = documents.find(body, docs)
    project_stats.add(call, shown, body)
    fields = body.get("only_fields")
    return {"projects": [query.project(doc, fields) for doc in shown]}


@endpoint("projects.get_by_id")
def get_by_id(call: Call) -> Json:
    """Give one project."""
    return {"project": documents.get_project(call.db, call.need("project"))}


@endpoint("projects.update", takes=requests.Parts)
def update(call: Call) -> Json:
    """Change a project's name, description or tags."""
    doc = documents.own_project(call, call.need("project"))
    changed = {name: call.body[name] for name in EDITABLE if name in call.body}
    doc |= changed
    if (name := call.body.get("name")) and name != doc["name"]:
        changed["name"] = documents.require_name(name, "project")
        rename(call, doc, name)
    doc["last_update"] = now()
    save(call, doc)
    if "name" in changed:
        sharing.rescope(call.db)
    return {"updated": 1, "fields": changed}


def rename(call: Call, doc: Json, name: str) -> None:
    """Rename a project and with it the names of all below; `save` it afterwards."""
    taken = sa.select(projects.c.id).where(projects.c.name == name)
    if call.db.execute(taken).first():
        msg = f"name={name}"
        raise not_unique(msg)
    old = doc["name"]
    if name.startswith(f"{old}/"):
        msg = f"project {old} cannot move below itself"
        raise validation(msg)
    above = name.rpartition("/")[0]
    doc["parent"] = documents.ensure_project(call, above) if above else None
    doc["name"], doc["basename"] = name, name.rpartition("/")[2]
    for one in documents.subprojects(call.db, [doc["id"]]):
        if one != doc["id"]:
            below = documents.get_project(call.db, one)
            below["name"] = name + below["name"][len(old) :]
            save(call, below)


def save(call: Call, doc: Json) -> None:
    """Write a project back."""
    call.db.execute(
        projects.update()
        .where(projects.c.id == doc["id"])
        .values(doc=doc, name=doc["name"])
    )


@endpoint("projects.get_task_tags")
def get_task_tags(call: Call) -> Json:
    """List the tags that tasks carry."""
    return _tags(call, tasks)


@endpoint("projects.get_model_tags")
def get_model_tags(call: Call) -> Json:
    """List the tags that models carry."""
    return _tags(call, models)


@endpoint("projects.get_task_parents")
def get_task_parents(call: Call) -> Json:
    """List the tasks that others name as their parents."""
    seen = sight.tasks_seen(call.db, call.who)
    statement = sa.select(tasks.c.head).where(seen)
    if wanted := call.body.get("projects"):
        ids = documents.subprojects(call.db, list(wanted))
        statement = statement.where(tasks.c.project.in_(ids))
    parents = {head.get("parent") for head in call.db.execute(statement).scalars()}
    rows = call.db.execute(
        sa.select(tasks.c.head).where(tasks.c.id.in_(parents - {None}), seen)
    )
    return {
        "parents": [
            {"id": one["id"], "name": one["name"], "project": {"id": one["project"]}}
            for one in rows.scalars()
        ]
    }


@endpoint("projects.get_unique_metric_variants")
def get_unique_metric_variants(call: Call) -> Json:
    """List the curves that the tasks of a project have."""
    seen = sight.reporters_seen(call.db, call.who, curves.c.task)
    statement = sa.select(curves.c.metric, curves.c.variant).where(seen).distinct()
    if wanted := call.body.get("project"):
        ids = documents.subprojects(call.db, [wanted])
        mine = sa.select(tasks.c.id).where(tasks.c.project.in_(ids))
        statement = statement.where(curves.c.task.in_(mine))
    rows = call.db.execute(statement.order_by(curves.c.metric, curves.c.variant))
    return {
        "metrics": [
            {
                "metric": row.metric,
                "metric_hash": documents.md5(row.metric),
                "variant": row.variant,
                "variant_hash": documents.md5(row.variant),
            }
            for row in rows
        ]
    }


@endpoint("organization.get_tags")
def get_tags(call: Call) -> Json:
    """List all tags."""
    found = [_tags(call, table) for table in (tasks, models)]
    names = [name for name in ("tags", "system_tags") if name in found[0]]
    return {name: sorted({*found[0][name], *found[1][name]}) for name in names}


def _tags(call: Call, table: sa.Table) -> Json:
    statement = sa.select(table.c.doc).where(sight.seen(call.db, call.who, table))
    if wanted := call.body.get("projects"):
        ids = documents.subprojects(call.db, list(wanted))
        statement = statement.where(table.c.project.in_(ids))
    docs = list(call.db.execute(statement).scalars())
    answer: Json = {"tags": sorted({tag for doc in docs for tag in doc["tags"] or ()})}
    if call.body.get("include_system"):
        system = {tag for doc in docs for tag in doc["system_tags"] or ()}
        answer["system_tags"] = sorted(system)
    return answer
