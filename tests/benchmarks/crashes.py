"""Rounds of killing programs at their crash points: `make soak SUITE=crashes`."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks.faults import Findings
from tests.integration.crashes import jobs
from tests.integration.crashes.rounds import (
    OPERATIONS,
    ROLES,
    NotConvergedError,
    Outcome,
    crash_site,
)

_Operation = tuple[
    Callable[[], tuple[str, ...]],
    Callable[[str], Outcome],
]
"""Gives its points; crashes at one of them."""


def run_round(folder: Path, dice: random.Random) -> Findings:
    """Strike every point once, in an order of chance."""
    # Containers and labs' accounts reach what is below it.
    folder.chmod(0o755)
    tally = _Tally()
    for name in ("labs", "jobs"):
        (folder / name).mkdir(mode=0o755)
    with crash_site(folder / "labs") as labs:
        tally.strike(
            dice,
            {
                f"{operation}, {role}": (
                    partial(labs.points, operation, role),
                    partial(labs.crash, operation, role),
                )
                for operation in OPERATIONS
                for role in ROLES
            },
        )
    with jobs.job_site(folder / "jobs") as site:
        tally.strike(
            dice,
            {
                f"job, {role}": (partial(site.points, role), partial(site.crash, role))
                for role in jobs.ROLES
            },
        )
    return tally.findings()


class _Tally:
    """What the strikes of a round came to."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._wrong: list[str] = []

    def strike(self, dice: random.Random, operations: dict[str, _Operation]) -> None:
        """Strike all points of some operations; after a finding the rest is left."""
        points = {what: points() for what, (points, _) in operations.items()}
        strikes = [(what, point) for what in points for point in points[what]]
        dice.shuffle(strikes)
        seconds: dict[str, list[float]] = {what: [] for what in points}
        for what, point in strikes:
            try:
                outcome = operations[what][1](point)
            except NotConvergedError as error:
                self._wrong.append(str(error))
                break
            if outcome.died:
                seconds[what].append(outcome.seconds)
        self._lines += [
            f"{what}: {len(points[what])} points, {len(seconds[what])} deaths, "
            f"slowest {max(seconds[what], default=0.0):.1f} s"
            for what in points
        ]

    def findings(self) -> Findings:
        """Give it all."""
        return Findings("; ".join(self._lines), self._wrong)
