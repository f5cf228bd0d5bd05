"""Digests of the batches of events that were stored lately."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create their table."""
    op.create_table(
        "batches",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("at", sa.Double, nullable=False, index=True),
    )
