"""What the page of one run shows."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from waylab_tracking import plots, sight
from waylab_tracking.charts import draw
from waylab_tracking.database import projects, queues, tasks, users
from waylab_tracking.links import browsable
from waylab_tracking.registry import Call
from waylab_tracking.services import console, curves, documents, reports
from waylab_tracking.services.events import IMAGE, PLOT

LOG_LINES = 2000
POINTS = 300
IMAGES = 60
# What colours and moves a terminal's text.
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|\r(?!\n)")
Values = dict[str, Any]


def read(call: Call, task_id: str, root: str) -> Values:
    """Collect the page of a run; `root` is the path before the pages.

    Raises:
        ApiError: there is no such task.
    """
    db = call.db
    task = documents.get_task(db, task_id)
    one = call.like(task=task_id, tasks=[task_id], samples=POINTS)
    single = curves.get_task_single_value_metrics(one)["tasks"]
    log = console.get_task_log(
        call.like(task=task_id, batch_size=LOG_LINES, order="asc")
    )
    lines = curves.scalar_metrics_iter_histogram(one)
    return {
        "task": task,
        "live": task["status"] in ("queued", "in_progress"),
        "owner": _name(db, users, task["user"]),
        "project_name": _project(call, task["project"]),
        "queue_name": _name(db, queues, task["execution"].get("queue")),
        "parent_name": _parent(call, task.get("parent")),
        "duration": _duration(task),
        "charts": [(metric, draw(group)) for metric, group in lines.items()],
        "single": single[0]["values"] if single else [],
        "log": [plain(event["msg"]) for event in log["events"]],
        "log_total": log["total"],
        "images": _images(db, task_id, root),
        "plots": _plots(db, task_id, root),
        "artifacts": [
            {**artifact, "link": browsable(artifact.get("uri"), root)}
            for artifact in task["execution"].get("artifacts") or ()
        ],
        "failure": _failure(task),
        "percent": _percent(task),
    }


def plain(text: str) -> str:
    """Take a terminal's colours out of a text."""
    return ANSI.sub("", text).rstrip("\n")


def _name(db: sa.Connection, table: sa.Table, row: Any) -> str:
    found = db.execute(sa.select(table.c.name).where(table.c.id == row)).scalar()
    return str(found or "")


def _project(call: Call, project: Any) -> str:
    seen = sight.projects_seen(call.db, call.who)
    wanted = sa.select(projects.c.name).where(projects.c.id == project, seen)
    return str(call.db.execute(wanted).scalar() or "")


def _parent(call: Call, parent: Any) -> str:
    wanted = sa.select(tasks.c.head).where(
        tasks.c.id == parent, sight.tasks_seen(call.db, call.who)
    )
    head = call.db.execute(wanted).scalar()
    return str(head["name"]) if head else ""


def _duration(task: Values) -> str:
    if not task.get("started"):
        return ""
    end = task.get("completed") or datetime.now(UTC).isoformat()
    span = datetime.fromisoformat(end) - datetime.fromisoformat(task["started"])
    return str(timedelta(seconds=max(int(span.total_seconds()), 0)))


def _images(db: sa.Connection, task: str, root: str) -> list[Values]:
    found = reports.last_reports(db, [task], IMAGE, 1)[:IMAGES]
    shown = [{**one, "link": browsable(one.get("url"), root)} for one in found]
    # Pictures from elsewhere would tell their hosts who looks.
    return [one for one in shown if one["link"].startswith(f"{root}/files/")]


def _plots(db: sa.Connection, task: str, root: str) -> list[Values]:
    found = [plots.read(one) for one in reports.last_reports(db, [task], PLOT, 1)]
    return [
        {
            "plot": one,
            "picture": link
            if (link := browsable(one.image, root)).startswith(f"{root}/files/")
            else one.image
            if one.image.startswith("data:image/png;base64,")
            else "",
        }
        for one in found
    ]


def _percent(task: Values) -> int | None:
    """Give the share of a notebook's cells, or what a program told of itself."""
    index = _told(task, "waylab_live") or {}
    total, done = index.get("cells_total"), index.get("cells_done")
    if isinstance(total, int) and isinstance(done, int) and total > 0:
        return min(100, 100 * done // total)
    told = str((task.get("runtime") or {}).get("progress") or "")
    return min(100, int(told)) if told.isdecimal() else None


def _failure(task: Values) -> Values | None:
    """Read what a notebook's runner told of its end."""
    verdict = _told(task, "waylab_verdict")
    if verdict is None:
        return None
    trace = verdict.get("traceback") or ()
    text = trace if isinstance(trace, str) else "\n".join(map(str, trace))
    return {**verdict, "traceback": plain(text)}


def _told(task: Values, name: str) -> Values | None:
    """Read a JSON object that a notebook's runner left in the task."""
    item = task["configuration"].get(name)
    try:
        told = json.loads(item["value"]) if item else None
    except (ValueError, KeyError, TypeError):
        return None
    return told if isinstance(told, dict) else None
