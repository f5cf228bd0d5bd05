"""Hub and board die at each commit and engine call: everything converges.

`make soak SUITE=crashes` does the same again and again, in another order each time.
The agent's points are in tests/waylab_agent: test_fault_points.py (tracking),
test_leases.py (board) and test_containers.py (engine).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.crashes.rounds import (
    OPERATIONS,
    ROLES,
    CrashSite,
    crash_site,
)

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


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_wherever_a_program_dies_all_agree_soon_after(
    site: CrashSite, operation: str, role: str
) -> None:
    points = site.points(operation, role)

    outcomes = [site.crash(operation, role, point) for point in points]

    died = [outcome for outcome in outcomes if outcome.died]
    slowest = max(outcome.seconds for outcome in died)
    print(f"{operation}, {role}: {len(died)} points, slowest {slowest:.1f} s")
    # Some calls are made once in a process's life: they are points only by chance.
    assert len(died) >= len(points) * 3 / 4
