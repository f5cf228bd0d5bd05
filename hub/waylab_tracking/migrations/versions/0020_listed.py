"""Short rows and tags of tasks, which lists are filtered and ordered by."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0011"
COPIED = (
    *("id", "project", "user", "status", "type", "parent", "created", "started"),
    *("completed", "status_changed", "last_update", "last_iteration"),
)
PIECE = 500
# Sorted by code points everywhere, as SQLite does of itself.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Expand only: documents and heads stay as they are."""
    listed = op.create_table(
        "listed",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("project", sa.String, nullable=True, index=True),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("parent", sa.String, nullable=True, index=True),
        sa.Column("created", TEXT, nullable=False, index=True),
        sa.Column("started", TEXT, nullable=True),
        sa.Column("completed", TEXT, nullable=True),
        sa.Column("status_changed", TEXT, nullable=True),
        sa.Column("last_update", TEXT, nullable=True, index=True),
        sa.Column("last_iteration", sa.BigInteger, nullable=True),
        sa.Column("name", TEXT, nullable=False, index=True),
        sa.Column("comment", sa.String, nullable=False),
    )
    labels = op.create_table(
        "labels",
        sa.Column("tag", sa.String, primary_key=True),
        sa.Column("system", sa.Boolean, primary_key=True),
        sa.Column("task", sa.String, primary_key=True, index=True),
    )
    db = op.get_bind()
    tasks = sa.table("tasks", sa.column("id"), sa.column("head"))
    last = ""
    while heads := _after(db, tasks, last):
        last = heads[-1]["id"]
        db.execute(listed.insert(), [_row(head) for head in heads])
        if tags := [one for head in heads for one in _tags(head)]:
            db.execute(labels.insert(), tags)


def _after(db: sa.Connection, tasks: Any, last: str) -> list[dict[str, Any]]:
    some = sa.select(tasks.c.head).where(tasks.c.id > last).order_by(tasks.c.id)
    heads = db.execute(some.limit(PIECE)).scalars().all()
    return [json.loads(one) if isinstance(one, str) else one for one in heads]


def _row(head: dict[str, Any]) -> dict[str, Any]:
    row = {name: head.get(name) for name in COPIED}
    return row | {name: _folded(head.get(name)) for name in ("name", "comment")}


def _folded(text: object) -> str:
    whole = str(text or "").encode(errors="replace").decode()
    return whole.casefold().replace("\0", " ")


def _tags(head: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"task": head["id"], "tag": tag, "system": system}
        for field, system in (("tags", False), ("system_tags", True))
        for tag in sorted({str(one) for one in head.get(field) or ()})
    ]
