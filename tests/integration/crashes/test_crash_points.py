"""Hub and board die at their crash points: everything converges.

Here each state that a crash of hub or board can leave behind as a lab starts or ends
comes once; `make soak SUITE=crashes` strikes before and after every commit and engine
call, of grants and jobs too, in another order each time. The agent's engine calls are
in tests/waylab_agent/test_containers.py, its requests to tracking and board in
test_fault_points.py and test_leases.py there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.crashes.rounds import (
    ROLES,
    CrashSite,
    Outcome,
    crash_site,
)
from tests.integration.crashes.strikes import states

from waylab_hub.testing import open_folder
from waylab_rig.requirements import requirements
from waylab_spawner.testing import NotHere, proxy_program

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


# A grant is a stop and a spawn; jobs take minutes: the soak strikes there too.
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", ["spawn", "stop"])
def test_wherever_a_program_dies_all_agree_soon_after(
    site: CrashSite, operation: str, role: str
) -> None:
    points = states(site.points(operation, role))

    outcomes = [site.crash(operation, role, point) for point in points]

    judge(f"{operation}, {role}", outcomes)


def judge(what: str, outcomes: list[Outcome]) -> None:
    """Print what there was to see; most points must have been reached again."""
    died = [outcome for outcome in outcomes if outcome.died]
    slowest = max(outcome.seconds for outcome in died)
    print(f"{what}: {len(died)} of {len(outcomes)} points, slowest {slowest:.1f} s")
    # Some calls are made once in a process's life: they are points only by chance.
    assert len(died) >= len(outcomes) * 3 / 4
