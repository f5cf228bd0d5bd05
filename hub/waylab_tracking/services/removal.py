"""Deleting tasks and projects, and what becomes of all that refers to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from waylab_tracking import executions, listing, requests
from waylab_tracking.database import listed, models, projects, reports, tasks
from waylab_tracking.errors import ApiError, forbidden, invalid_status
from waylab_tracking.registry import Call, Json, endpoint, for_each
from waylab_tracking.services import documents, events, waiting

BUSY = ("in_progress", "queued")
IMAGE_SOURCE = '"source'


@endpoint("tasks.delete", takes=requests.Removal)
def delete(call: Call) -> Json:
    """Delete a task, what it reported and, unless told otherwise, its output models.

    A model that is published (without `force`), another user's, or used by another
    task stays, without a task; children stay without a parent. Files are the file
    server's affair: `return_file_urls` tells which there were.
    """
    answer = remove(call, documents.own_task(call))
    answer.pop("deleted_models")
    return answer


@endpoint("tasks.delete_many", takes=requests.Removal)
def delete_many(call: Call) -> Json:
    """Delete several tasks."""
    return for_each(call, lambda one: remove(one, documents.own_task(one)))


@endpoint("projects.delete", takes=requests.Removal)
def delete_project(call: Call) -> Json:
    """Delete a project, and those below it; one that holds something by `force` only.

    What it holds is then of no project, or deleted with `delete_contents`.
    """
    doc = documents.own_project(call, call.need("project"))
    ids = documents.subprojects(call.db, [doc["id"]])
    held = {table: _held(call, table, ids) for table in (tasks, models)}
    count = sum(map(len, held.values()))
    if count and not call.body.get("force"):
        raise ApiError(
            400, 402, f"project {doc['name']} still holds {count} tasks and models"
        )
    for one in (*held[tasks], *held[models]):
        if not call.who.is_operator and one["user"] != call.who.id:
            msg = f"{one['name']} in project {doc['name']} belongs to another user"
            raise forbidden(msg)
    answer: Json = {"deleted": 1, "disassociated_tasks": 0}
    if call.body.get("delete_contents"):
        answer |= _delete_contents(call, held[tasks], held[models])
    else:
        for one in held[tasks]:
            documents.save_task(call.db, {**one, "project": None})
        for one in held[models]:
            documents.save_model(call.db, {**one, "project": None})
        answer["disassociated_tasks"] = len(held[tasks])
    call.db.execute(projects.delete().where(projects.c.id.in_(ids)))
    return answer


def drop_output_models(call: Call, doc: Json) -> list[Json]:
    """Delete a task's output models that nothing else needs, and give them.

    Nothing is deleted if `delete_output_models` is false.
    """
    if call.body.get("delete_output_models") is False:
        return []
    mine = sa.select(models.c.doc).where(models.c.task == doc["id"])
    dropped = []
    for model in call.db.execute(mine).scalars().all():
        published = model["ready"] and not call.body.get("force")
        theirs = not call.who.is_operator and model["user"] != call.who.id
        if published or theirs or is_used(call.db, model["id"], doc["id"]):
            continue
        call.db.execute(models.delete().where(models.c.id == model["id"]))
        events.clear(call.db, model["id"])
        dropped.append(dict(model))
    return dropped


def files(call: Call, doc: Json, dropped: list[Json]) -> Json:
    """Give `urls`, the files that a task and its models left, if they are asked for."""
    if not call.body.get("return_file_urls"):
        return {}
    artifacts = doc["execution"].get("artifacts") or []
    found = {
        "artifact_urls": [
            one["uri"]
            for one in artifacts
            if one.get("uri") and one.get("mode") != "input"
        ],
        "event_urls": sorted({*_images(call.db, [doc["id"]])}),
        "model_urls": [one["uri"] for one in dropped if one["uri"]],
    }
    return {"urls": found}


def remove(call: Call, doc: Json) -> Json:
    """Delete a task, whoever's it is; one that waits or runs by `force` only."""
    task = doc["id"]
    if doc["status"] in BUSY and not call.body.get("force"):
        msg = f"task {task} is {doc['status']}: stop it, or use force"
        raise invalid_status(msg)
    dropped = drop_output_models(call, doc)
    urls = files(call, doc, dropped)
    waiting.remove(call.db, task)
    events.clear(call.db, task)
    executions.forget(call.db, task)
    call.db.execute(tasks.delete().where(tasks.c.id == task))
    listing.remove(call.db, task)
    return {
        "deleted": True,
        "deleted_models": len(dropped),
        "updated_children": _orphan(call.db, task),
        "updated_models": _unlink(call.db, task),
        **urls,
    }


def _delete_contents(call: Call, held: list[Json], kept: list[Json]) -> Json:
    each = call.like(**{**call.body, "return_file_urls": True, "force": True})
    urls: Json = {"artifact_urls": [], "event_urls": [], "model_urls": []}
    for doc in held:
        for name, some in remove(each, doc)["urls"].items():
            urls[name] += some
    ids = [one["id"] for one in kept]
    rows = call.db.execute(sa.select(models.c.doc).where(models.c.id.in_(ids)))
    for left in rows.scalars().all():
        call.db.execute(models.delete().where(models.c.id == left["id"]))
        events.clear(call.db, left["id"])
        urls["model_urls"] += [left["uri"]] if left["uri"] else []
    return {"deleted_tasks": len(held), "deleted_models": len(kept), "urls": urls}


def _held(call: Call, table: sa.Table, ids: list[str]) -> list[Json]:
    rows = call.db.execute(sa.select(table.c.doc).where(table.c.project.in_(ids)))
    return [dict(doc) for doc in rows.scalars()]


def is_used(db: sa.Connection, model: str, task: str) -> bool:
    """Say whether another task than that one takes a model in, or gave it."""
    text = sa.cast(tasks.c.doc, sa.Text)
    named = sa.select(tasks.c.doc).where(tasks.c.id != task, text.contains(model))
    return any(
        one["model"] == model
        for doc in db.execute(named).scalars()
        for side in ("input", "output")
        for one in doc["models"].get(side) or ()
    )


def _orphan(db: sa.Connection, task: str) -> int:
    """Leave the children of a deleted task without a parent; give how many."""
    below = tasks.c.id.in_(sa.select(listed.c.id).where(listed.c.parent == task))
    rows = db.execute(
        sa.select(tasks.c.id, tasks.c.head, tasks.c.doc).where(below)
    ).all()
    for row in rows:
        head, doc = ({**one, "parent": None} for one in (row.head, row.doc))
        # Nothing was heard of the children: their times stay.
        db.execute(
            tasks.update().where(tasks.c.id == row.id).values(head=head, doc=doc)
        )
        listing.write(db, head)
    return len(rows)


def _unlink(db: sa.Connection, task: str) -> int:
    """Leave the models of a deleted task without it; give how many."""
    docs = db.execute(sa.select(models.c.doc).where(models.c.task == task))
    left = [{**doc, "task": None} for doc in docs.scalars()]
    for doc in left:
        documents.save_model(db, doc)
    return len(left)


def _images(db: sa.Connection, ids: list[str]) -> Iterator[str]:
    """Give the files of the debug images, and of images in plots, of tasks."""
    mine = reports.c.task.in_(ids)
    link, plot = (reports.c.doc[name].as_string() for name in ("url", "plot_str"))
    yield from db.execute(sa.select(link).where(mine, link.is_not(None))).scalars()
    drawn = sa.select(plot).where(mine, plot.contains(IMAGE_SOURCE))
    for text in db.execute(drawn).scalars():
        yield from _sources(text)


def _sources(plot: str) -> Iterator[str]:
    try:
        images: Any = json.loads(plot)["layout"]["images"]
        found = [one.get("source") for one in images]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # Whatever a client calls a plot is kept as it is.
    yield from (one for one in found if isinstance(one, str) and "://" in one)
