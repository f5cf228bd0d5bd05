"""`reports.*`: texts about runs, which are tasks of the type `report`.

A report's Markdown is the task's configuration item `report`, so that the SDK reads and
writes it too; it lies in the hidden project `.reports` below the one that it is about.
"""

from __future__ import annotations

import json

import sqlalchemy as sa

from waylab_tracking import query, requests
from waylab_tracking.database import projects
from waylab_tracking.errors import invalid_status, validation
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents, lifecycle, removal, tasks

TYPE, TAG = "report", "reports"
TEXT, ASSETS = "report", "report_assets"


@endpoint("reports.create", takes=requests.WrittenReport)
def create(call: Call) -> Json:
    """Write a report, about a project if one is named."""
    project = _place(call, call.body.get("project"))
    told: Json = {"name": call.need("name"), "comment": call.body.get("comment")}
    told |= {"tags": call.body.get("tags") or [], "system_tags": [TAG]}
    made = tasks.create(call.like(**told, type=TYPE, project=project))["id"]
    _write(call, documents.get_task(call.db, made))
    return {"id": made, "project_id": project}


@endpoint("reports.update", takes=requests.WrittenReport)
def update(call: Call) -> Json:
    """Change a report that is not published."""
    doc = _own(call)
    if doc["status"] != "created":
        msg = f"report {doc['id']} is {doc['status']}"
        raise invalid_status(msg)
    names = ("name", "tags", "comment", TEXT, ASSETS)
    changed = {name: call.body[name] for name in names if name in call.body}
    doc |= {name: one for name, one in changed.items() if name not in (TEXT, ASSETS)}
    documents.require_name(doc["name"], "report")
    _write(call, doc)
    return {"updated": 1, "fields": changed}


@endpoint("reports.get_all_ex", takes=requests.Listing)
def get_all(call: Call) -> Json:
    """List reports, those of a project with it."""
    body = {**call.body, "type": [TYPE], "only_fields": None}
    if body.get("project"):
        body["project"] = documents.subprojects(call.db, body["project"])
    found = tasks.get_all(call.like(**body))["tasks"]
    fields = call.body.get("only_fields")
    return {"tasks": [query.project(_shown(doc), fields) for doc in found]}


@endpoint("reports.get_tags")
def get_tags(call: Call) -> Json:
    """List the tags that reports carry."""
    found = tasks.get_all(call.like(type=[TYPE], only_fields=["tags"]))["tasks"]
    return {"tags": sorted({tag for one in found for tag in one["tags"]})}


@endpoint("reports.publish")
def publish(call: Call) -> Json:
    """Freeze a report."""
    doc = _own(call)
    message = str(call.body.get("message") or "")
    wanted = {"task": doc["id"], "force": True, "status_message": message}
    return lifecycle.publish(call.like(**wanted))


@endpoint("reports.archive")
def archive(call: Call) -> Json:
    """Put a report out of sight."""
    return tasks.archive(call.like(tasks=[_own(call)["id"]]))


@endpoint("reports.unarchive")
def unarchive(call: Call) -> Json:
    """Bring a report back."""
    return tasks.unarchive(call.like(tasks=[_own(call)["id"]]))


@endpoint("reports.move", takes=requests.WrittenReport)
def move(call: Call) -> Json:
    """Move a report to another project."""
    doc = _own(call)
    doc["project"] = _place(call, documents.target_project(call))
    documents.save_task(call.db, doc)
    return {"project_id": doc["project"]}


@endpoint("reports.delete", takes=requests.Removal)
def delete(call: Call) -> Json:
    """Delete a report; one that is published or not archived by `force` only."""
    doc = _own(call)
    gone = "archived" in doc["system_tags"] and doc["status"] == "created"
    if not gone and not call.body.get("force"):
        msg = f"report {doc['id']} is published or not archived: use force"
        raise invalid_status(msg)
    removal.delete(call.like(task=doc["id"], force=True))
    return {"deleted": True}


def _own(call: Call) -> Json:
    doc = documents.own_task(call)
    if doc["type"] != TYPE:
        msg = f"task {doc['id']} is no report but of type {doc['type']}"
        raise validation(msg)
    return doc


def _place(call: Call, project: str | None) -> str:
    """Give the hidden project of the reports about a project."""
    above = f"{documents.get_project(call.db, project)['name']}/" if project else ""
    name = above if above.endswith(".reports/") else f"{above}.reports"
    name = name.removesuffix("/")
    known = sa.select(projects.c.id).where(projects.c.name == name)
    found = call.db.execute(known).scalar()
    tags = {"system_tags": ["hidden", TAG]}
    return found or documents.create_project(call, name, tags)


def _write(call: Call, doc: Json) -> None:
    """Keep a report's text and what it shows in the task, and save that."""
    items = doc["configuration"]
    if call.body.get(TEXT) is not None:
        text = str(call.body[TEXT])
        items[TEXT] = {"name": TEXT, "value": text, "type": "markdown"}
    if call.body.get(ASSETS) is not None:
        told = json.dumps(call.body[ASSETS])
        items[ASSETS] = {"name": ASSETS, "value": told, "type": "json"}
    documents.save_task(call.db, doc)


def _shown(doc: Json) -> Json:
    items = doc["configuration"]
    text, assets = (items.get(name, {}).get("value") for name in (TEXT, ASSETS))
    return {**doc, TEXT: text or "", ASSETS: json.loads(assets or "[]")}
