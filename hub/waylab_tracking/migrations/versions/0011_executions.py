"""Which execution of a task counts; keys under which tasks are enqueued."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Expand only: jobs that run go on with the tokens that they have."""
    op.create_table(
        "executions",
        sa.Column("task", sa.String, primary_key=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("queue", sa.String, nullable=False),
        sa.Column("ours", sa.Boolean, nullable=False),
        sa.Column("lost", sa.String),
        sa.Column("losses", sa.Integer, nullable=False),
    )
    op.create_table(
        "fences",
        sa.Column("task", sa.String, primary_key=True),
        sa.Column("host", sa.String, primary_key=True),
    )
    op.create_table(
        "enqueue_keys",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False, index=True),
    )
