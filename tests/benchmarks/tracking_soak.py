"""The tracking server, killed while it takes events in: a round of a soak.

The full size is ten rounds of 50 kills, each of one server.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.benchmarks.faults import Findings
from tests.waylab_tracking import kills

KILLS = 50


def run_kills(folder: Path, dice: random.Random) -> Findings:
    """Kill one server so often; nothing that it answered for may be lost."""
    wrong = kills.run(folder, KILLS, dice)
    return Findings(f"{KILLS} kills", wrong)
