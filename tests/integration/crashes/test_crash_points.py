"""Hub and board die at their crash points: everything converges.

Here each state that a crash of hub or board can leave behind as a lab starts or ends
comes once, and of the other points as many as there is time for, in an order of chance:
the seed is printed, and `CRASH_SEED=… pytest …` strikes in the same order. `make soak
SUITE=crashes` strikes before and after every commit and engine call, of grants and jobs
too, and of a node's agent, which only looks on as a lab starts or ends. The agent's
engine calls for jobs are in tests/waylab_agent/test_containers.py, its requests to
tracking and board in test_fault_points.py and test_leases.py there.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Iterator
from functools import partial

import pytest
from tests.integration.crashes.rounds import CrashSite, crash_site
from tests.integration.crashes.strikes import states
from tests.integration.crashes.striking import Target, shuffled, strike

from waylab_hub.testing import open_folder
from waylab_rig.requirements import requirements
from waylab_spawner.testing import NotHere, proxy_program

MORE_SECONDS = 5.0
"""For each operation and program, for points that leave no other state behind."""

_missing = requirements()
try:
    proxy_program()
except NotHere as error:
    _missing = _missing or str(error)

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(_missing is not None, reason=str(_missing)),
    pytest.mark.timeout(1200),
    # docker's SDK leaves closing its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[CrashSite]:
    with open_folder() as root, crash_site(root) as running:
        yield running


@pytest.fixture(scope="module")
def seed() -> str:
    return os.environ.get("CRASH_SEED") or secrets.token_hex(8)


# A grant is a stop and a spawn; jobs take minutes: the soak strikes there too.
@pytest.mark.parametrize("role", ["hub", "board"])
@pytest.mark.parametrize("operation", ["spawn", "stop"])
def test_wherever_a_program_dies_all_agree_soon_after(
    site: CrashSite, seed: str, operation: str, role: str
) -> None:
    print(f"CRASH_SEED={seed}")
    dice = random.Random(f"{seed}, {operation}, {role}")  # noqa: S311 - repeatable.
    points = site.points(operation, role)
    of_states = states(points)
    others = [one for one in points if one not in of_states]
    target = Target(
        partial(site.crash, operation, role), partial(site.refresh, role), site.mend
    )

    tally = strike(target, shuffled(dice, of_states))
    ends = time.monotonic() + MORE_SECONDS
    more = strike(
        target, shuffled(dice, others), may_go_on=lambda: time.monotonic() < ends
    )

    print(f"{operation}, {role}: states: {tally}; others: {more}")
    assert tally.findings() + more.wrong + more.missed == []
