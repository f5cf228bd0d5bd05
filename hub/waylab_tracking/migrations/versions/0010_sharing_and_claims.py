"""Who sees which project, who is in which group, and which agent holds which task."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0005"


def upgrade() -> None:
    """Expand only: every project stays everybody's."""
    for name in ("visibility", "scope"):
        op.add_column("projects", sa.Column(name, sa.String, nullable=True))
    op.create_index("ix_projects_scope", "projects", ["scope"])
    op.create_table(
        "shares",
        sa.Column("project", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("member", sa.String, primary_key=True),
    )
    op.create_table(
        "memberships",
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("group", sa.String, primary_key=True),
    )
    op.create_table(
        "claims",
        sa.Column("task", sa.String, primary_key=True),
        sa.Column("user", sa.String, nullable=True, index=True),
    )
    op.create_index("ix_files_user", "files", ["user"])
    _note_claims()


def _note_claims() -> None:
    """Note whose the tasks are that agents hold now; whose is unknown, any agent's."""
    connection = op.get_bind()
    tasks = sa.table("tasks", *map(sa.column, ("id", "status", "doc")))
    workers = sa.table("workers", sa.column("id"), sa.column("doc"))
    entries = sa.table("queue_entries", sa.column("task"))
    claims = sa.table("claims", sa.column("task"), sa.column("user"))
    users = {
        row.id: _read(row.doc).get("user")
        for row in connection.execute(sa.select(workers))
    }
    held = sa.select(tasks.c.id, tasks.c.doc).where(
        tasks.c.status.in_(("queued", "in_progress")),
        tasks.c.id.not_in(sa.select(entries.c.task)),
    )
    for row in connection.execute(held).all():
        doc = _read(row.doc)
        if not doc["execution"].get("queue"):
            continue
        user = users.get(doc.get("last_worker"))
        connection.execute(claims.insert().values(task=row.id, user=user))


def _read(doc: Any) -> dict[str, Any]:
    return json.loads(doc) if isinstance(doc, str) else dict(doc)
