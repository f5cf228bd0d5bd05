"""Rounds of killing hub and board at their crash points: `make soak SUITE=crashes`."""

from __future__ import annotations

import random
from pathlib import Path

from tests.benchmarks.faults import Findings
from tests.integration.crashes.rounds import (
    OPERATIONS,
    ROLES,
    NotConvergedError,
    crash_site,
)


def run_round(folder: Path, dice: random.Random) -> Findings:
    """Strike every point once, in an order of chance."""
    # Containers and labs' accounts reach what is below it.
    folder.chmod(0o755)
    wrong: list[str] = []
    seconds: list[float] = []
    with crash_site(folder) as site:
        strikes = [
            (operation, role, point)
            for operation in OPERATIONS
            for role in ROLES
            for point in site.points(operation, role)
        ]
        dice.shuffle(strikes)
        for operation, role, point in strikes:
            try:
                outcome = site.crash(operation, role, point)
            except NotConvergedError as error:
                wrong.append(str(error))
                break
            if outcome.died:
                seconds.append(outcome.seconds)
    slowest = max(seconds, default=0.0)
    return Findings(
        f"{len(strikes)} points, {len(seconds)} deaths, converged within "
        f"{slowest:.1f} s",
        wrong,
    )
