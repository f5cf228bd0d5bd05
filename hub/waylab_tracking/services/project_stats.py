"""What lists of projects tell beside the projects: counts, and those below."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from waylab_tracking import sight
from waylab_tracking.database import models, projects, tasks
from waylab_tracking.registry import Call, Json

STATES = (
    *("created", "queued", "in_progress", "stopped", "failed", "completed"),
    *("closed", "published", "unknown"),
)
DAY = timedelta(days=1)


def add(call: Call, docs: list[Json], body: Json) -> None:
    """Add to projects what the request's flags ask for.

    `include_stats` counts what is in a project and in all below it,
    `check_own_contents` only what is in itself, `include_dataset_stats` the files of
    its newest dataset.
    """
    ids = [doc["id"] for doc in docs]
    if body.get("include_stats"):
        _add_stats(call, docs)
    if body.get("check_own_contents"):
        for table, field in ((tasks, "own_tasks"), (models, "own_models")):
            counts = _counts(call, table, ids)
            for doc in docs:
                doc[field] = counts.get(doc["id"], 0)
    if body.get("include_dataset_stats"):
        for doc in docs:
            doc["dataset_stats"] = _dataset(call, doc["id"])


def _add_stats(call: Call, docs: list[Json]) -> None:
    below: dict[str, list[Any]] = {doc["id"]: [] for doc in docs}
    seen = sight.projects_seen(call.db, call.who)
    rows = call.db.execute(sa.select(projects.c.id, projects.c.name).where(seen)).all()
    for doc in docs:
        prefix = f"{doc['name']}/"
        below[doc["id"]] = [row for row in rows if row.name.startswith(prefix)]
    wanted = {one.id for some in below.values() for one in some} | set(below)
    heads: dict[str, list[Json]] = defaultdict(list)
    mine = sa.and_(tasks.c.project.in_(wanted), sight.tasks_seen(call.db, call.who))
    for project, head in call.db.execute(
        sa.select(tasks.c.project, tasks.c.head).where(mine)
    ):
        heads[project].append(head)
    for doc in docs:
        under = below[doc["id"]]
        held = [
            head
            for one in (doc["id"], *(row.id for row in under))
            for head in heads[one]
        ]
        doc["sub_projects"] = [{"id": row.id, "name": row.name} for row in under]
        doc["stats"] = {
            "active": _stats(one for one in held if "archived" not in _tags(one)),
            "archived": _stats(one for one in held if "archived" in _tags(one)),
        }


def _stats(heads: Iterable[Json]) -> Json:
    held = list(heads)
    counts = Counter(head["status"] for head in held)
    ended = [moment for one in held if (moment := _moment(one.get("completed")))]
    begun = [moment for one in held if (moment := _moment(one.get("started")))]
    since = datetime.now(UTC) - DAY
    return {
        "total_tasks": len(held),
        "status_count": {state: counts.get(state, 0) for state in STATES},
        "total_runtime": sum(_seconds(one) for one in held),
        "completed_tasks_24h": sum(moment >= since for moment in ended),
        "last_task_run": int(max(begun).timestamp()) if begun else None,
    }


def _tags(head: Json) -> list[str]:
    return head.get("system_tags") or []


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _seconds(head: Json) -> int:
    began, ended = _moment(head.get("started")), _moment(head.get("completed"))
    if began is None:
        return 0
    return max(0, int(((ended or datetime.now(UTC)) - began).total_seconds()))


def _counts(call: Call, table: sa.Table, ids: list[str]) -> dict[str, int]:
    mine = sa.and_(table.c.project.in_(ids), sight.seen(call.db, call.who, table))
    counted = sa.select(table.c.project, sa.func.count()).where(mine)
    return {
        row[0]: row[1] for row in call.db.execute(counted.group_by(table.c.project))
    }


def _dataset(call: Call, project: str) -> Json:
    newest = (
        sa.select(tasks.c.doc)
        .where(tasks.c.project == project, sight.tasks_seen(call.db, call.who))
        .order_by(tasks.c.created.desc())
        .limit(1)
    )
    runtime = (call.db.execute(newest).scalar() or {}).get("runtime") or {}
    return {
        "file_count": int(runtime.get("ds_file_count") or 0),
        "total_size": int(runtime.get("ds_total_size") or 0),
    }
