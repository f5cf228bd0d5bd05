"""Repeats a suite with fresh seeds for a while: `make soak`.

Read from the environment, so that `make soak SUITE=faults BUDGET=600` works: SUITE
(default `faults`), BUDGET in seconds (default 3600; the round under way is finished),
SEED (default: a fresh one), REPORT (default: a file in the temporary folder), RESUME
(any text: go on with the report that is there). The report is written anew after each
round. Exits 1 if anything was found to be wrong.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import (
    crashes,
    faults,
    ledger_soak,
    losses,
    tracking_fuzz,
    tracking_soak,
)
from tests.benchmarks.measure import machine
from tests.waylab_engine import hostile

Round = Callable[[Path, random.Random], faults.Findings]
SUITES: dict[str, Round] = {
    "faults": faults.run_round,
    "ledger-memory": ledger_soak.run_memory,
    "ledger-sqlite": ledger_soak.run_sqlite,
    "ledger-postgres": ledger_soak.run_postgres,
    "ledger-machine": ledger_soak.run_the_machine,
    "options": hostile.run_round,
    "crashes": crashes.run_round,
    "losses": losses.run_round,
    "tracking-kill": tracking_soak.run_kills,
    "tracking-fuzz": tracking_fuzz.run_round,
}


def main() -> int:
    suite, budget, report = _settings()
    lines = [f"# Soak: {suite}, for {budget:g} s", "", f"{machine()}.", ""]
    given = os.environ.get("SEED", "")
    ends = time.monotonic() + budget
    before = _rounds_before(report) if os.environ.get("RESUME") else []
    lines += before
    rounds = sum(line.startswith("- round ") for line in before)
    wrong = len(before) - rounds
    while time.monotonic() < ends:
        rounds += 1
        seed = given or secrets.token_hex(8)
        print(f"round {rounds}: SEED={seed}", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="waylab-soak-") as folder:
            dice = random.Random(seed)  # noqa: S311 - must be repeatable.
            findings = SUITES[suite](Path(folder), dice)
        wrong += len(findings.wrong)
        took = time.monotonic() - began
        lines.append(f"- round {rounds}, SEED={seed}, {took:.0f} s: {findings.summary}")
        lines += [f"  - WRONG: {one}" for one in findings.wrong]
        print("\n".join(lines[-1 - len(findings.wrong) :]), flush=True)
        verdict = f"{rounds} rounds, {wrong} findings."
        report.write_text("\n".join([*lines, "", verdict, ""]), "utf-8")
        if given:
            break
    print(f"{rounds} rounds, {wrong} findings; report: {report}")
    return 1 if wrong else 0


def _rounds_before(report: Path) -> list[str]:
    """Give what a report says of each round."""
    if not report.exists():
        return []
    lines = report.read_text("utf-8").splitlines()
    return [one for one in lines if one.startswith(("- round ", "  - WRONG"))]


def _settings() -> tuple[str, float, Path]:
    suite = os.environ.get("SUITE") or "faults"
    if suite not in SUITES:
        sys.exit(f"SUITE is {suite!r}, but there are: {', '.join(SUITES)}.")
    text = os.environ.get("BUDGET") or "3600"
    try:
        budget = float(text)
    except ValueError:
        budget = 0.0
    if not 0 < budget < float("inf"):
        sys.exit(f"BUDGET is {text!r}, but takes a number of seconds above 0.")
    default = Path(tempfile.gettempdir()) / f"waylab-soak-{suite}.md"
    return suite, budget, Path(os.environ.get("REPORT") or default)


if __name__ == "__main__":
    sys.exit(main())
