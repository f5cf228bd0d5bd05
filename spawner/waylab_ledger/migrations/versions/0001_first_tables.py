"""The tables of the first ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    counters = op.create_table(
        "counters",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counters, [{"id": 1, "version": 0, "serial": 0, "events": 0}])
    op.create_table(
        "nodes",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("doc", sa.Text, nullable=False),
    )
    op.create_table(
        "epochs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("alive", sa.Boolean, nullable=False),
        sa.Column("doc", sa.Text, nullable=False),
    )
    _one("one_living_epoch_a_role", "epochs", "role", "alive")
    op.create_table(
        "tickets",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("doc", sa.Text, nullable=False),
    )
    op.create_index("tickets_by_holder", "tickets", ["holder", "serial"])
    _one("one_open_ticket_a_holder", "tickets", "holder", "state <> 'closed'")
    op.create_table(
        "leases",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("proof", sa.String),
        sa.Column("started_at", sa.Float),
        sa.Column("released_at", sa.Float),
        sa.Column("doc", sa.Text, nullable=False),
        sa.CheckConstraint(
            "(state = 'released') = (proof IS NOT NULL)", name="released_on_proof"
        ),
    )
    _one("one_open_lease_a_holder", "leases", "holder", "state <> 'released'")
    op.create_index("leases_by_end", "leases", ["released_at"])
    op.create_table(
        "holds",
        sa.Column("device", sa.String, primary_key=True),
        sa.Column("lease", sa.String, sa.ForeignKey("leases.id"), nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("answer", sa.String, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("lease", sa.String),
        sa.Column("node", sa.String),
        sa.Column("user", sa.String),
        sa.Column("doc", sa.Text, nullable=False),
    )
    op.create_index("events_by_kind", "events", ["kind", "at"])
    op.create_index("events_by_lease", "events", ["lease", "kind"])


def _one(name: str, table: str, column: str, where: str) -> None:
    """Create an index that allows one row a value where a condition holds."""
    op.create_index(
        name,
        table,
        [column],
        unique=True,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
