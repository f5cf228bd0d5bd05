"""What workers used and how long tasks waited, over time; endpoints that serve."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Expand only: nothing that is there goes."""
    op.create_table(
        "worker_figures",
        sa.Column("span", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("worker", sa.String, primary_key=True),
        sa.Column("busy", sa.Boolean, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
    )
    op.create_table(
        "queue_figures",
        sa.Column("span", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("queue", sa.String, primary_key=True),
        sa.Column("wait", sa.Double, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "servings",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("last_seen", sa.Double, nullable=False),
        sa.Column("doc", sa.JSON, nullable=False),
    )
    op.add_column(
        "queue_entries",
        sa.Column("since", sa.Double, nullable=False, server_default="0"),
    )
    _fill_since()


def _fill_since() -> None:
    db = op.get_bind()
    entries = sa.table("queue_entries", *map(sa.column, ("task", "added", "since")))
    for row in db.execute(sa.select(entries.c.task, entries.c.added)).all():
        added = datetime.fromisoformat(row.added)
        zoned = added if added.tzinfo else added.replace(tzinfo=UTC)
        mine = entries.update().where(entries.c.task == row.task)
        db.execute(mine.values(since=zoned.timestamp()))
