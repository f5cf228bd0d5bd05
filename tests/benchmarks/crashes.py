"""Rounds of killing programs at their crash points: `make soak SUITE=crashes`."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks.faults import Findings
from tests.integration.crashes import jobs
from tests.integration.crashes.rounds import OPERATIONS, ROLES, crash_site
from tests.integration.crashes.striking import Tally, Target, shuffled, strike

Round = Callable[[Path, random.Random], Findings]


def _of_labs(operation: str, role: str, folder: Path, dice: random.Random) -> Findings:
    with crash_site(folder / "labs") as site:
        points = shuffled(dice, site.points(operation, role))
        target = Target(
            partial(site.crash, operation, role),
            partial(site.refresh, role),
            site.mend,
            only_looks_on=role == "agent",
        )
        return _found(strike(target, points))


def _of_jobs(role: str, folder: Path, dice: random.Random) -> Findings:
    with jobs.job_site(folder / "jobs") as site:
        points = shuffled(dice, site.points(role))
        target = Target(
            partial(site.crash, role), partial(site.refresh, role), site.mend
        )
        return _found(strike(target, points))


def _found(tally: Tally) -> Findings:
    return Findings(str(tally), tally.findings(), cut_short=tally.left > 0)


def _within(round_: Round) -> Round:
    def run(folder: Path, dice: random.Random) -> Findings:
        # Containers and labs' accounts reach what is below it.
        folder.chmod(0o755)
        for name in ("labs", "jobs"):
            (folder / name).mkdir(mode=0o755)
        return round_(folder, dice)

    return run


PARTS = {
    **{
        f"{operation}-{role}": _within(partial(_of_labs, operation, role))
        for operation in OPERATIONS
        for role in ROLES
    },
    **{f"job-{role}": _within(partial(_of_jobs, role)) for role in jobs.ROLES},
}
"""A round strikes all points of one operation in one program."""
