"""`projects.*` that tell what the tasks and models of projects hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from waylab_tracking import requests, sight
from waylab_tracking.database import models, projects, tasks
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents

PAGE_SIZE = 500


@endpoint("projects.get_hyper_parameters", takes=requests.Contents)
def get_hyper_parameters(call: Call) -> Json:
    """List the parameters that tasks of a project have, by section and name."""
    found = {
        (section, name)
        for doc in _docs(call, tasks)
        for section, items in doc["hyperparams"].items()
        for name in items
    }
    named = [{"section": section, "name": name} for section, name in sorted(found)]
    return _page(call, "parameters", named)


@endpoint("projects.get_hyperparam_values", takes=requests.Contents)
def get_hyperparam_values(call: Call) -> Json:
    """List the values that a parameter has in tasks."""
    section, name = str(call.need("section")), str(call.need("name"))
    found = (
        doc["hyperparams"].get(section, {}).get(name, {}).get("value")
        for doc in _docs(call, tasks)
    )
    return _values(found)


@endpoint("projects.get_model_metadata_keys", takes=requests.Contents)
def get_model_metadata_keys(call: Call) -> Json:
    """List the keys of metadata that models of a project have."""
    found = {key for doc in _docs(call, models) for key in doc["metadata"]}
    return _page(call, "keys", sorted(found))


@endpoint("projects.get_model_metadata_values", takes=requests.Contents)
def get_model_metadata_values(call: Call) -> Json:
    """List the values that a key of metadata has in models."""
    key = str(call.need("key"))
    found = (doc["metadata"].get(key, {}).get("value") for doc in _docs(call, models))
    return _values(found)


@endpoint("projects.get_project_tags", takes=requests.Contents)
def get_project_tags(call: Call) -> Json:
    """List the tags that projects themselves carry."""
    wanted = call.body.get("projects")
    seen = sight.projects_seen(call.db, call.who)
    docs = [
        doc
        for doc in call.db.execute(sa.select(projects.c.doc).where(seen)).scalars()
        if not wanted or doc["id"] in wanted
    ]
    answer: Json = {"tags": sorted({tag for doc in docs for tag in doc["tags"] or ()})}
    if call.body.get("include_system"):
        system = {tag for doc in docs for tag in doc["system_tags"] or ()}
        answer["system_tags"] = sorted(system)
    return answer


@endpoint("projects.validate_delete")
def validate_delete(call: Call) -> Json:
    """Count what a project and those below it hold, archived or not."""
    doc = documents.get_project(call.db, call.need("project"))
    ids = documents.subprojects(call.db, [doc["id"]])
    answer: Json = {}
    for table, name in ((tasks, "tasks"), (models, "models")):
        held = list(
            call.db.execute(
                sa.select(table.c.doc).where(table.c.project.in_(ids))
            ).scalars()
        )
        live = [one for one in held if "archived" not in (one["system_tags"] or ())]
        answer |= {name: len(held), f"non_archived_{name}": len(live)}
    return answer


def _docs(call: Call, table: sa.Table) -> Iterator[Json]:
    """Give the documents of the projects that are asked for, or of all."""
    statement = sa.select(table.c.doc).where(sight.seen(call.db, call.who, table))
    wanted = call.body.get("projects") or []
    if one := call.body.get("project"):
        wanted = [documents.get_project(call.db, one)["id"], *wanted]
    if wanted:
        below = call.body.get("include_subprojects") is not False
        ids = documents.subprojects(call.db, wanted) if below else wanted
        statement = statement.where(table.c.project.in_(ids))
    yield from call.db.execute(statement).scalars()


def _page(call: Call, name: str, found: list[Any]) -> Json:
    size = call.body.get("page_size") or PAGE_SIZE
    start = (call.body.get("page") or 0) * size
    shown = found[start : start + size]
    left = max(0, len(found) - start - len(shown))
    return {name: shown, "total": len(found), "remaining": left}


def _values(found: Iterable[object]) -> Json:
    values = sorted({str(one) for one in found if one is not None})
    return {"values": values, "total": len(values)}
