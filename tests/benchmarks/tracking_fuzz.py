"""Odd calls of the tracking server: a round of `make soak SUITE=tracking-fuzz`.

The full size is four rounds of at least 2,500 calls.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.benchmarks.faults import Findings
from tests.waylab_tracking.conformance import violations
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.fuzz import fuzz

from waylab_tracking.testing import running_server

CALLS = 2_500
EXAMPLES = 8


def run_round(folder: Path, dice: random.Random) -> Findings:
    """Call every route with good and bad bodies until there were enough calls."""
    calls, wrong = 0, []
    statuses: dict[int, int] = {}
    while calls < CALLS:
        start = dice.getrandbits(32)
        with running_server(folder / str(start), record=True) as server:
            door = Door(server, server.create_user("root", "admin"))
            outcome = fuzz(server, door, EXAMPLES, start)
            door.close()
            wrong += outcome.wrong + violations(server.recorded())
        calls += outcome.calls
        for status, count in outcome.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    told = [f"{count} x {status}" for status, count in sorted(statuses.items())]
    return Findings(f"{calls} calls: {', '.join(told)}", wrong)
