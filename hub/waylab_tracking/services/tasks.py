"""`tasks.*`: records of work. Their life is in `lifecycle`."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import sqlalchemy as sa

from waylab_tracking import listing, query, requests, sight
from waylab_tracking.database import tasks
from waylab_tracking.errors import invalid_status
from waylab_tracking.identity import COMPANY
from waylab_tracking.moment import new_id, now
from waylab_tracking.narrowing import narrow
from waylab_tracking.registry import Call, Json, endpoint, for_each
from waylab_tracking.services import documents
from waylab_tracking.shapes import shaped

EDITABLE = (
    "name",
    "tags",
    "system_tags",
    "comment",
    "type",
    "parent",
    "script",
    "hyperparams",
    "configuration",
    "execution",
    "container",
    "runtime",
    "models",
    "output_dest",
)
# What a run is made of, unlike what is said of it.
INPUTS = (
    *("type", "script", "hyperparams", "configuration"),
    *("execution", "container", "models", "output_dest"),
)
PIECE = 400
SHARED = "shared"
LIGHT = frozenset({*documents.HEAD, "execution.queue"})
METRICS = "last_metrics"
CLONED = ("script", "hyperparams", "configuration", "container", "type", "comment")


@endpoint("tasks.create", takes=requests.Parts)
def create(call: Call) -> Json:
    """Make a task, a draft at first."""
    documents.require_name(call.need("name"), "task")
    doc = _fresh(call)
    _take_fields(call, doc)
    return {"id": _insert(call, doc)}


@endpoint("tasks.validate")
def validate(call: Call) -> Json:
    """Check what `create` would be given."""
    documents.require_name(call.need("name"), "task")
    return {}


@endpoint("tasks.get_by_id", "tasks.get_by_id_ex")
def get_by_id(call: Call) -> Json:
    """Give one task."""
    return {"task": documents.get_task(call.db, call.need("task"))}


@endpoint("tasks.get_all", "tasks.get_all_ex", takes=requests.Listing)
def get_all(call: Call) -> Json:
    """List tasks, newest first unless ordered otherwise."""
    body = call.body
    if body.get("project") and body.get("include_subprojects"):
        body["project"] = documents.subprojects(call.db, body["project"])
    light = query.names_used(body) <= LIGHT
    ids, in_order = narrow(body)
    seen = sight.tasks_seen(call.db, call.who)
    found = _candidates(call.db, body, ids, seen, light=light)
    shown = documents.find(body, found, in_order=in_order)
    fields = body.get("only_fields")
    if light and not (fields and set(fields) <= LIGHT):
        shown = _whole(call.db, [doc["id"] for doc in shown])
    if not fields or any(str(one).startswith(METRICS) for one in fields):
        documents.add_metrics(call.db, shown)
    return {"tasks": [query.project(doc, fields) for doc in shown]}


@endpoint("tasks.get_types")
def get_types(call: Call) -> Json:
    """List the types that tasks have."""
    seen = sight.tasks_seen(call.db, call.who)
    heads = call.db.execute(sa.select(tasks.c.head).where(seen)).scalars()
    return {"types": sorted({head["type"] for head in heads})}


@endpoint("tasks.edit", "tasks.update", takes=requests.Parts)
def edit(call: Call) -> Json:
    """Replace whole fields of a task; inputs of what is no draft by `force` only."""
    doc = documents.own_task(call)
    changes = [name for name in INPUTS if call.body.get(name) is not None]
    if changes and doc["status"] != "created" and not call.body.get("force"):
        msg = f"task {doc['id']} is {doc['status']}: {changes[0]} needs force"
        raise invalid_status(msg)
    changed = _take_fields(call, doc)
    documents.save_task(call.db, doc)
    return {"updated": 1, "fields": changed}


@endpoint("tasks.update_batch")
def update_batch(call: Call) -> Json:
    """Replace whole fields of several tasks, one a line; all of them or none."""
    for line in call.lines:
        edit(call.like(**requests.read(requests.Parts, line)))
    return {"updated": len(call.lines)}


@endpoint("tasks.share", takes=requests.Sharing)
def share(call: Call) -> Json:
    """Mark tasks as shared, or not shared any more."""
    wanted = call.body.get("share") is not False
    changed = 0
    for task in call.need("tasks"):
        doc = documents.own_task(call.like(task=task))
        tags = [tag for tag in doc["system_tags"] if tag != SHARED]
        changed += (len(tags) != len(doc["system_tags"])) != wanted
        doc["system_tags"] = [*tags, SHARED] if wanted else tags
        documents.save_task(call.db, doc)
    return {"changed": changed}


@endpoint("tasks.make_public")
def make_public(call: Call) -> Json:
    """Mark tasks as everybody's."""
    return _set_company(call, "")


@endpoint("tasks.make_private")
def make_private(call: Call) -> Json:
    """Mark tasks as this site's own."""
    return _set_company(call, COMPANY)


@endpoint("tasks.clone", takes=requests.Clone)
def clone(call: Call) -> Json:
    """Make a draft of a task's inputs."""
    source = documents.get_task(call.db, call.need("task"))
    body = call.body
    doc = _fresh(call)
    doc |= {name: copy.deepcopy(source[name]) for name in CLONED}
    doc["name"] = documents.require_name(
        body.get("new_task_name") or source["name"], "task"
    )
    doc["tags"] = list(body.get("new_task_tags") or source["tags"])
    doc["system_tags"] = list(body.get("new_task_system_tags") or [])
    doc["parent"] = body.get("new_task_parent") or source["id"]
    doc["project"] = _project_of_clone(call) or source["project"]
    if "new_task_comment" in body:
        doc["comment"] = body["new_task_comment"] or ""
    for part in ("hyperparams", "configuration"):
        doc[part] |= shaped(part, body.get(f"new_task_{part}")) or {}
    container = shaped("container", body.get("new_task_container"))
    doc["container"] = container or doc["container"]
    given = {"input": body.get("new_task_input_models") or source["models"]["input"]}
    doc["models"] |= shaped("models", given)
    doc["output"]["destination"] = source["output"].get("destination")
    doc["execution"]["artifacts"] = [
        one
        for one in source["execution"].get("artifacts") or []
        if one.get("mode") == "input"
    ]
    overrides = shaped("execution", body.get("execution_overrides")) or {}
    doc["execution"] |= {
        name: value for name, value in overrides.items() if value is not None
    }
    for own in ("waylab_live", "waylab_verdict"):  # An earlier run's, not an input.
        doc["configuration"].pop(own, None)
    return {"id": _insert(call, doc)}


def _project_of_clone(call: Call) -> str | None:
    if project := call.body.get("new_task_project"):
        return str(documents.get_project(call.db, project)["id"])
    if name := call.body.get("new_project_name"):
        return documents.ensure_project(call, name)
    return None


@endpoint("tasks.move")
def move(call: Call) -> Json:
    """Move tasks to a project."""
    target = documents.target_project(call)
    for task in call.need("ids"):
        doc = documents.own_task(call.like(task=task))
        doc["project"] = target
        documents.save_task(call.db, doc)
    return {"project_id": target}


@endpoint("tasks.archive")
def archive(call: Call) -> Json:
    """Put tasks out of sight."""
    return {"archived": _set_archived(call, "tasks", archived=True)}


@endpoint("tasks.unarchive")
def unarchive(call: Call) -> Json:
    """Bring tasks back."""
    return {"unarchived": _set_archived(call, "tasks", archived=False)}


@endpoint("tasks.archive_many")
def archive_many(call: Call) -> Json:
    """Put several tasks out of sight; a refusal of one leaves the others alone."""
    return _archive_each(call, "archived", archived=True)


@endpoint("tasks.unarchive_many")
def unarchive_many(call: Call) -> Json:
    """Bring several tasks back."""
    return _archive_each(call, "unarchived", archived=False)


def _archive_each(call: Call, word: str, *, archived: bool) -> Json:
    def one(each: Call) -> Json:
        _set_archived(each.like(ids=[each.body["task"]]), "ids", archived=archived)
        return {word: True}

    return for_each(call, one)


def _set_archived(call: Call, field: str, *, archived: bool) -> int:
    wanted = call.need(field)
    for task in wanted:
        doc = documents.own_task(call.like(task=task))
        rest = [tag for tag in doc["system_tags"] if tag != "archived"]
        doc["system_tags"] = [*rest, "archived"] if archived else rest
        documents.save_task(call.db, doc)
    return len(wanted)


def _set_company(call: Call, company: str) -> Json:
    ids = call.need("ids")
    for task in ids:
        doc = documents.own_task(call.like(task=task))
        doc["company"] = company
        documents.save_task(call.db, doc)
    return {"updated": len(ids)}


def _fresh(call: Call) -> Json:
    made = now()
    return {
        "id": new_id(),
        "name": "",
        "user": call.who.id,
        "company": COMPANY,
        "type": "training",
        "status": "created",
        "status_reason": "",
        "status_message": "",
        "status_changed": made,
        "comment": "",
        "created": made,
        "last_update": made,
        "last_change": made,
        "project": None,
        "parent": None,
        "tags": [],
        "system_tags": [],
        "script": {},
        "hyperparams": {},
        "configuration": {},
        "execution": {"artifacts": [], "parameters": {}},
        "container": {},
        "runtime": {},
        "models": {"input": [], "output": []},
        "output": {"destination": None},
        "last_iteration": 0,
        "last_metrics": {},
        "last_worker": None,
    }


def _take_fields(call: Call, doc: Json) -> Json:
    body = call.body
    changed: Json = {}
    if "project" in body:
        if body["project"]:
            documents.get_project(call.db, body["project"])
        doc["project"] = changed["project"] = body["project"]
    for name in EDITABLE:
        if name not in body or body[name] is None:
            continue
        value = shaped(name, body[name])
        if name == "name":
            documents.require_name(value, "task")
        if name == "output_dest":
            doc["output"]["destination"] = value
        elif name in ("script", "execution", "container", "models"):
            doc[name] = {**doc[name], **value}
        else:
            doc[name] = value
        changed[name] = doc.get(name)
    return changed


def _insert(call: Call, doc: Json) -> str:
    head = documents.head(doc)
    call.db.execute(
        tasks.insert().values(
            id=doc["id"],
            project=doc["project"] or "",
            user=doc["user"],
            status=doc["status"],
            created=doc["created"],
            head=head,
            doc=doc,
        )
    )
    listing.add(call.db, head)
    return str(doc["id"])


def _candidates(
    db: sa.Connection,
    body: Json,
    ids: sa.Select[tuple[str]],
    seen: sight.Condition,
    *,
    light: bool,
) -> Iterator[Json]:
    """Give the tasks seen of the ids that a statement finds, whole or as heads."""
    columns = (tasks.c.head,) if light else (tasks.c.head, tasks.c.doc)
    by_metric = any(one.startswith(METRICS) for one in query.names_used(body))
    rows = db.execute(ids).scalars()
    size = min(query.end(body) or PIECE, PIECE)  # The first are mostly the page.
    while some := rows.fetchmany(size):
        size = PIECE
        wanted = sa.select(tasks.c.id, *columns).where(tasks.c.id.in_(some), seen)
        known = {row.id: row for row in db.execute(wanted)}
        found = [known[one] for one in some if one in known]
        docs = [dict(row.head) if light else documents.joined(row) for row in found]
        if by_metric and not light:
            documents.add_metrics(db, docs)
        yield from docs


def _whole(db: sa.Connection, ids: list[str]) -> list[Json]:
    docs: dict[str, Json] = {}
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        rows = db.execute(
            sa.select(tasks.c.id, tasks.c.head, tasks.c.doc).where(tasks.c.id.in_(some))
        )
        docs |= {row.id: documents.joined(row) for row in rows}
    return [docs[one] for one in ids]
