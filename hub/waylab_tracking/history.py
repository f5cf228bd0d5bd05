"""Figures over time in a bounded space: fine ones of late, coarse ones of long ago.

What is measured goes into one bucket of each tier; a reader takes the tier that is fine
enough for the interval asked for and reaches back far enough. Buckets older than their
tier keeps are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from waylab_tracking.dialects import above, below
from waylab_tracking.errors import validation

HOUR = 3600
DAY = 24 * HOUR
MAX_POINTS = 10_000


@dataclass(frozen=True)
class Tier:
    """How many seconds a bucket spans, and for how many seconds it is kept."""

    span: int
    kept: int

    def start(self, at: float) -> int:
        """Give the start of the bucket of a time."""
        return int(at // self.span) * self.span


TIERS = (Tier(30, DAY), Tier(600, 14 * DAY), Tier(HOUR, 90 * DAY))


@dataclass(frozen=True)
class Window:
    """The times that a reader asks for, in seconds since 1970."""

    begin: float
    end: float
    interval: int

    def tier(self, at: float) -> Tier:
        """Give the tier to read: the coarsest that is fine enough and goes back far."""
        reaching = [tier for tier in TIERS if at - self.begin <= tier.kept] or TIERS[
            -1:
        ]
        fine = [tier for tier in reaching if tier.span <= self.interval]
        return fine[-1] if fine else reaching[0]

    def date(self, start: int) -> int:
        """Give the date of the interval that a bucket falls into."""
        # The first bucket may have begun before the window.
        passed = max(start - self.begin, 0) // self.interval
        return int(self.begin + passed * self.interval)

    def covers(self, table: sa.Table, tier: Tier) -> sa.ColumnElement[bool]:
        """Give the condition that a row's bucket is one of the tier, in the window."""
        columns = table.c
        return sa.and_(
            columns.span == tier.span,
            above(columns.start, self.begin - tier.span),
            below(columns.start, self.end),
        )


def window(body: Mapping[str, Any]) -> Window:
    """Read the window of a request; 400/800 for one that has no or too many points."""
    begin, end = (float(body[name]) for name in ("from_date", "to_date"))
    interval = int(body["interval"])
    if not 0 <= begin < end or end - begin > MAX_POINTS * interval:
        msg = (
            f"from {begin:.0f} to {end:.0f} by {interval}: times must follow each other"
            f" and have {MAX_POINTS} intervals at most"
        )
        raise validation(msg)
    return Window(begin, end, interval)


def prune(db: sa.Connection, table: sa.Table, at: float) -> None:
    """Drop the buckets that are older than their tiers keep."""
    columns = table.c
    for tier in TIERS:
        old = sa.and_(columns.span == tier.span, below(columns.start, at - tier.kept))
        db.execute(table.delete().where(old))
