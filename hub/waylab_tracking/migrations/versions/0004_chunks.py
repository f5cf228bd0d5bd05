"""Scalars and console lines in chunks instead of a row each."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from waylab_tracking import journal, series

revision = "0004"
down_revision = "0003"
KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Move what is there into chunks; the tables of rows go."""
    lines = op.create_table(
        "lines",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Index("lines_by_number", "task", "number", "length", "size"),
        sa.Index("lines_by_first", "task", "first", "last", "number"),
        sa.Index("lines_by_last", "task", "last", "first", "number"),
    )
    curves = op.create_table(
        "curves",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("task", sa.String, nullable=False, index=True),
        sa.Column("metric", sa.String, nullable=False),
        sa.Column("variant", sa.String, nullable=False),
        sa.Column("single", sa.Boolean, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("loose", sa.Integer, nullable=False),
        sa.Column("last_number", sa.BigInteger, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("first_value", sa.Double, nullable=False),
        sa.Column("first_iteration", sa.BigInteger, nullable=False),
        sa.Column("min_value", sa.Double, nullable=False),
        sa.Column("min_iteration", sa.BigInteger, nullable=False),
        sa.Column("max_value", sa.Double, nullable=False),
        sa.Column("max_iteration", sa.BigInteger, nullable=False),
        sa.Column("mean_value", sa.Double, nullable=False),
    )
    chunks = op.create_table(
        "chunks",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("curve", sa.BigInteger, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("low", sa.BigInteger, nullable=False),
        sa.Column("high", sa.BigInteger, nullable=False),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
        sa.Column("iters", sa.LargeBinary, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("times", sa.LargeBinary, nullable=False),
        sa.Column("numbers", sa.LargeBinary, nullable=False),
        sa.Index("chunks_by_curve", "curve", "first", "last", "length"),
    )
    _move_scalars(curves, chunks)
    _move_logs(lines)
    op.drop_table("scalars")
    op.drop_table("logs")


def _move_scalars(curves: sa.Table, chunks: sa.Table) -> None:
    names = ("seq", "task", "metric", "variant", "iter", "timestamp", "value")
    rows = _rows("scalars", names, ("task", "metric", "variant", "iter", "seq"))
    db = op.get_bind()

    def curve(row: Any) -> tuple[str, str, str, bool]:
        return row.task, row.metric, row.variant, row.iter == series.SINGLE

    for (task, metric, variant, single), group in groupby(rows, curve):
        numbered = [(row.seq, row.iter, row.timestamp, row.value) for row in group]
        ordered = series.Points(
            [one[1] for one in numbered],
            [one[2] for one in numbered],
            [one[3] for one in numbered],
            [one[0] for one in numbered],
        )
        came = ordered.part(
            sorted(range(len(ordered)), key=ordered.numbers.__getitem__)
        )
        cuts = range(0, len(ordered), series.FULL)
        pieces = [ordered.cut(start, start + series.FULL) for start in cuts]
        row = series.begun(task, (metric, variant, single), came)
        row["loose"] = int(len(pieces[-1]) < series.FULL)
        added = curves.insert().values(row).returning(curves.c.id)
        curve_id = db.execute(added).scalar_one()
        for piece in pieces:
            db.execute(chunks.insert().values(curve=curve_id, **series.packed(piece)))


def _move_logs(lines: sa.Table) -> None:
    names = ("seq", "task", "timestamp", "worker", "level", "msg")
    db = op.get_bind()
    for task, group in groupby(
        _rows("logs", names, ("task", "seq")), lambda row: row.task
    ):
        came = ((row.timestamp, row.worker, row.level, row.msg) for row in group)
        for row in journal.packed(task, came):
            db.execute(lines.insert().values(row))


def _rows(name: str, names: tuple[str, ...], order: tuple[str, ...]) -> Iterator[Any]:
    table = sa.table(name, *map(sa.column, names))
    statement = sa.select(table).order_by(*(table.c[one] for one in order))
    yield from op.get_bind().execute(statement.execution_options(yield_per=10_000))
