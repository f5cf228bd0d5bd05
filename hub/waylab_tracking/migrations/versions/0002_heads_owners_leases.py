"""Heads of tasks for quick lists, owners of files, removed users, popped tasks."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

HEAD = (
    "id",
    "name",
    "type",
    "project",
    "parent",
    "user",
    "status",
    "status_reason",
    "status_message",
    "status_changed",
    "created",
    "started",
    "completed",
    "last_update",
    "last_iteration",
    "tags",
    "system_tags",
    "comment",
)


def upgrade() -> None:
    """Expand only: nothing that is there goes."""
    op.add_column(
        "users",
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    )
    op.add_column(
        "tasks", sa.Column("head", sa.JSON, nullable=False, server_default="{}")
    )
    op.create_table(
        "popped",
        sa.Column("task", sa.String, primary_key=True),
        sa.Column("queue", sa.String, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_table(
        "files",
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created", sa.String, nullable=False),
    )
    _fill_heads()


def _fill_heads() -> None:
    connection = op.get_bind()
    tasks = sa.table("tasks", sa.column("id"), sa.column("head"), sa.column("doc"))
    for row in connection.execute(sa.select(tasks.c.id, tasks.c.doc)).all():
        doc = json.loads(row.doc)
        head = {name: doc[name] for name in HEAD if name in doc}
        head["execution"] = {"queue": doc["execution"].get("queue")}
        connection.execute(
            tasks.update().where(tasks.c.id == row.id).values(head=json.dumps(head))
        )
