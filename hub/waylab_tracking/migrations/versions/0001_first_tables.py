"""The tables of version 0.1."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""

    op.create_table(
        "users",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("created", sa.String, nullable=False),
    )
    op.create_table(
        "credentials",
        sa.Column("access_key", sa.String, primary_key=True),
        sa.Column("secret_hash", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False, index=True),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("created", sa.String, nullable=False),
    )
    for name in ("projects", "queues"):
        op.create_table(
            name,
            sa.Column("id", sa.String, primary_key=True),
            sa.Column("name", sa.String, nullable=False, unique=True),
            sa.Column("doc", sa.JSON, nullable=False),
        )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("project", sa.String, nullable=False, index=True),
        sa.Column("user", sa.String, nullable=False, index=True),
        sa.Column("status", sa.String, nullable=False, index=True),
        sa.Column("created", sa.String, nullable=False, index=True),
        sa.Column("doc", sa.JSON, nullable=False),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("project", sa.String, nullable=False, index=True),
        sa.Column("task", sa.String, nullable=False, index=True),
        sa.Column("created", sa.String, nullable=False),
        sa.Column("doc", sa.JSON, nullable=False),
    )
    op.create_table(
        "queue_entries",
        sa.Column("task", sa.String, primary_key=True),
        sa.Column("queue", sa.String, nullable=False, index=True),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("added", sa.String, nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("last_seen", sa.Double, nullable=False),
        sa.Column("doc", sa.JSON, nullable=False),
    )
    op.create_table(
        "logs",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.String, nullable=False),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("msg", sa.Text, nullable=False),
        sa.Index("logs_by_task", "task", "timestamp", "seq"),
    )
    op.create_table(
        "scalars",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("metric", sa.String, nullable=False),
        sa.Column("variant", sa.String, nullable=False),
        sa.Column("iter", sa.BigInteger, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Index("scalars_by_series", "task", "metric", "variant", "iter"),
    )
    op.create_table(
        "reports",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("metric", sa.String, nullable=False),
        sa.Column("variant", sa.String, nullable=False),
        sa.Column("iter", sa.BigInteger, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("doc", sa.JSON, nullable=False),
        sa.Index("reports_by_task", "task", "type", "metric", "variant", "iter"),
    )
