"""What a site keeps of old runs no longer, and what is never touched.

Runs that are over, and of which nothing was heard or changed for so many days, lose
their console lines or their debug images; archived ones go wholly, with the files in
their own folders. Runs that wait, run or are published stay as they are, and so do
datasets, written reports, the children of what runs, and runs with a model that is
published or that another run uses. A file that something else names stays, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from waylab_tracking import file_rights, journal
from waylab_tracking.database import (
    files,
    labels,
    lines,
    listed,
    models,
    reports,
    tasks,
)
from waylab_tracking.identity import SYSTEM, Identity
from waylab_tracking.links import SCHEME
from waylab_tracking.registry import Call
from waylab_tracking.services import documents, removal
from waylab_tracking.services.events import IMAGE
from waylab_tracking.settings import Retention

OVER = ("created", "stopped", "failed", "completed", "closed")
NO_RUNS = ("report",)
DATASET = "dataset"
ARCHIVED = "archived"
SAID = "The console lines of this run were removed: the site keeps them for {:g} days."


class Part(StrEnum):
    """What goes of a run."""

    RUN = "run"
    """All of it, with its files."""
    LOG = "log"
    IMAGES = "images"


@dataclass(frozen=True)
class Due:
    """A run of which something goes: nothing was changed since `last_update`."""

    task: str
    part: Part
    name: str
    user: str
    project: str | None
    last_update: str
    days: float


def due(db: sa.Connection, rules: Retention, at: datetime) -> list[Due]:
    """Give what the rules name at a time, the oldest first.

    Whether a model keeps an archived run, `kept_by` says.
    """
    found = [
        one
        for part, days in _days(rules).items()
        if days > 0
        for one in _matching(db, part, days, at)
    ]
    # Of one run what goes wholly is first, as it stands above: the sort is stable.
    return sorted(found, key=lambda one: (one.last_update, one.task))


def kept_by(db: sa.Connection, one: Due) -> str:
    """Say which model keeps a run that would go wholly; empty: none does."""
    if one.part is not Part.RUN:
        return ""
    mine = sa.select(models.c.doc).where(models.c.task == one.task)
    for model in db.execute(mine).scalars().all():
        if model["ready"] or removal.is_used(db, model["id"], one.task):
            return str(model["name"])
    return ""


def remove(db: sa.Connection, identity: Identity, one: Due, at: datetime) -> bool:
    """Remove what is due of a run, if it still is; say whether it was.

    Its files are nobody's afterwards, for `files` to delete.
    """
    if not _matching(db, one.part, one.days, at, one.task) or kept_by(db, one):
        return False
    match one.part:
        case Part.RUN:
            call = Call(db, SYSTEM, {}, identity)
            removal.remove(call, documents.get_task(db, one.task))
            _leave(db, one.task, files_of(db, one.task))
        case Part.LOG:
            journal.clear(db, one.task)
            moment = int(at.timestamp() * 1000)
            line = (moment, "waylab", "info", SAID.format(one.days))
            journal.append(db, one.task, [line])
        case Part.IMAGES:
            its = sa.and_(reports.c.task == one.task, reports.c.type == IMAGE)
            link = reports.c.doc["url"].as_string()
            shown = {
                unquote(str(url).removeprefix(SCHEME))
                for url in db.execute(sa.select(link).where(its)).scalars()
            }
            db.execute(reports.delete().where(its))
            mine = [key for key in files_of(db, one.task) if unquote(key) in shown]
            _leave(db, one.task, mine)
    return True


def files_of(db: sa.Connection, task: str) -> list[str]:
    """Name the files in a run's own folder."""
    inside = files.c.path.contains(f".{task}/", autoescape=True)
    return list(db.execute(sa.select(files.c.path).where(inside)).scalars())


def size_bytes(db: sa.Connection, one: Due) -> int:
    """Say about how much a run's part takes: its files, or its packed lines."""
    if one.part is Part.LOG:
        size = sa.func.sum(sa.func.length(lines.c.body))
        return int(
            db.execute(sa.select(size).where(lines.c.task == one.task)).scalar() or 0
        )
    inside = files.c.path.contains(f".{one.task}/", autoescape=True)
    size = sa.func.sum(files.c.size_bytes)
    return int(db.execute(sa.select(size).where(inside)).scalar() or 0)


def _days(rules: Retention) -> dict[Part, float]:
    return {
        Part.RUN: rules.archived_days,
        Part.LOG: rules.logs_days,
        Part.IMAGES: rules.images_days,
    }


def _matching(
    db: sa.Connection, part: Part, days: float, at: datetime, task: str | None = None
) -> list[Due]:
    before = (at - timedelta(days=days)).isoformat(timespec="microseconds")
    columns, above = listed.c, listed.alias()
    own = labels.c.task == columns.id
    tagged = sa.select(labels.c.task).where(own, labels.c.system.is_(True))
    conditions = [
        columns.last_update < before,
        columns.status.in_(OVER),
        columns.type.not_in(NO_RUNS),
        ~tagged.where(labels.c.tag == DATASET).exists(),
        ~sa.select(above.c.id)
        .where(above.c.id == columns.parent, above.c.status.in_(removal.BUSY))
        .exists(),
    ]
    match part:
        case Part.RUN:
            conditions.append(tagged.where(labels.c.tag == ARCHIVED).exists())
        case Part.LOG:
            # One line may be that which says that the others are gone.
            more = lines.c.number + lines.c.length > 1
            conditions.append(_some(lines, lines.c.task == columns.id, more))
        case Part.IMAGES:
            images = reports.c.type == IMAGE
            conditions.append(_some(reports, reports.c.task == columns.id, images))
    if task is not None:
        conditions.append(columns.id == task)
    wanted = sa.select(
        columns.id, columns.user, columns.project, columns.last_update, tasks.c.head
    ).join(tasks, tasks.c.id == columns.id)
    return [
        Due(
            row.id, part, row.head["name"], row.user, row.project, row.last_update, days
        )
        for row in db.execute(wanted.where(*conditions))
    ]


def _some(
    table: sa.Table, *conditions: sa.ColumnElement[bool]
) -> sa.ColumnElement[bool]:
    return sa.select(sa.literal(1)).select_from(table).where(*conditions).exists()


def _leave(db: sa.Connection, task: str, keys: Collection[str]) -> None:
    """Make a run's files nobody's, but for those that something still names."""
    if not keys:
        return
    named = list(_named(db, task))
    gone = [key for key in keys if not any(unquote(key) in text for text in named)]
    file_rights.abandon(db, gone)


def _named(db: sa.Connection, task: str) -> Iterator[str]:
    """Give the texts of runs and models in which a run's folder is named."""
    stored = [
        sa.select(table.c.doc).where(sa.cast(table.c.doc, sa.Text).contains(task))
        for table in (tasks, models)
    ]
    # Its own plots: those of all others may be of any size.
    drawn = sa.select(reports.c.doc).where(reports.c.task == task)
    for statement in (*stored, drawn):
        for found in db.execute(statement).scalars():
            yield from (unquote(text) for text in _texts(found) if task in text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
