"""The ledger's tables.

What a constraint, a query or an admin needs is a column; the whole value is JSON
beside it. `holds` says who has a device: there can be one row a device.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
)
nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("doc", sa.Text, nullable=False),
)
epochs = sa.Table(
    "epochs",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("alive", sa.Boolean, nullable=False),
    sa.Column("doc", sa.Text, nullable=False),
    sa.Index(
        "one_living_epoch_a_role",
        "role",
        unique=True,
        sqlite_where=sa.text("alive"),
        postgresql_where=sa.text("alive"),
    ),
)
tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("holder", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False),
    sa.Column("doc", sa.Text, nullable=False),
    sa.Index("tickets_by_holder", "holder", "serial"),
    sa.Index(
        "one_open_ticket_a_holder",
        "holder",
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    ),
)
leases = sa.Table(
    "leases",
    metadata,
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
    sa.Index(
        "one_open_lease_a_holder",
        "holder",
        unique=True,
        sqlite_where=sa.text("state <> 'released'"),
        postgresql_where=sa.text("state <> 'released'"),
    ),
    sa.Index("leases_by_end", "released_at"),
)
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("device", sa.String, primary_key=True),
    sa.Column("lease", sa.String, sa.ForeignKey("leases.id"), nullable=False),
)
keys = sa.Table(
    "keys",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("answer", sa.String, nullable=False),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("lease", sa.String),
    sa.Column("node", sa.String),
    sa.Column("user", sa.String),
    sa.Column("doc", sa.Text, nullable=False),
    sa.Index("events_by_kind", "kind", "at"),
    sa.Index("events_by_lease", "lease", "kind"),
)
