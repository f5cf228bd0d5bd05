"""Measures Waylab against its baselines: `make bench`.

`--only NAME` (may be repeated) runs some of them, `--rounds N` sets how often each
pair is measured. Prints Markdown; progress goes to stderr. Exits 0 whether goals are
met or not: a benchmark informs, it does not judge a commit.
"""

from __future__ import annotations

import argparse
import random
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import (  # noqa: E402 - found only now.
    docker_labs,
    docker_troubles,
    enqueue_to_output,
    lab_spawn,
    ledger_latency,
    notebook_overhead,
    second_start,
    tracking_scale,
    tracking_speed,
)
from tests.benchmarks.measure import Setting, machine  # noqa: E402

BENCHMARKS = {
    "enqueue_to_output": enqueue_to_output.run,
    "notebook_overhead": notebook_overhead.run,
    "second_start": second_start.run,
    "lab_spawn": lab_spawn.run,
    "docker_lab": docker_labs.run_one,
    "docker_labs_at_once": docker_labs.run_many,
    "hung_engine": docker_troubles.run_hung,
    "stubborn_labs": docker_troubles.run_stubborn,
    "ledger_latency": ledger_latency.run,
    "tracking_speed": tracking_speed.run,
    "tracking_scale": tracking_scale.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}, but must be 1 or more")
    print(f"# Benchmarks\n\n{machine()}.\n\nCommit {_commit()}, seed {options.seed}.\n")
    failed = 0
    for name in options.only or BENCHMARKS:
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="waylab-bench-") as folder:
            Path(folder).chmod(0o755)
            dice = random.Random(options.seed)  # noqa: S311 - must be repeatable.
            setting = Setting(Path(folder), options.rounds, dice)
            try:
                print(BENCHMARKS[name](setting).text(), flush=True)
            except (AssertionError, RuntimeError, OSError) as error:
                failed += 1
                print(f"## {name}\n\nNot measured: {error}\n", flush=True)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return 1 if failed else 0


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
