"""Repeats a suite with fresh seeds until its full size, or the time, is reached.

`make soak SUITE=faults BUDGET=600`; read from the environment:

SUITE: what is repeated (default `faults`), see `SUITES`.
BUDGET: seconds (default 3600); the round under way is finished.
RESUME: any text: go on with the report that is there.
SEED: repeat the one round of this seed; PART names it where a suite has several.
REPORT: the report's file (default: one in the temporary folder).

The report is written anew after each round, whatever the round came to. Exits 1 if
anything was found to be wrong.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from tests.benchmarks.soak_report import Record, Report, ReportError, shown
from tests.waylab_engine import hostile

Round = Callable[[Path, random.Random], faults.Findings]
BROKEN_IN_A_ROW = 3
"""So many rounds that break off one after the other end a soak."""


@dataclass(frozen=True)
class Suite:
    """What is repeated; after `times` whole rounds of each part it is of full size."""

    parts: Mapping[str, Round]
    times: int | None = None
    size: str = "none: BUDGET alone ends it"


def _of_one(
    name: str, round_: Round, times: int | None = None, size: str = ""
) -> Suite:
    return Suite({name: round_}, times, size or Suite.size)


_TEN = 10
SUITES: dict[str, Suite] = {
    "faults": _of_one("faults", faults.run_round),
    "ledger-memory": _of_one(
        "memory", ledger_soak.run_memory, _TEN, "1,000,000 operations in memory"
    ),
    "ledger-sqlite": _of_one(
        "sqlite", ledger_soak.run_sqlite, _TEN, "100,000 operations on SQLite"
    ),
    "ledger-postgres": _of_one(
        "postgres", ledger_soak.run_postgres, _TEN, "100,000 operations on PostgreSQL"
    ),
    "ledger-machine": _of_one(
        "machine", ledger_soak.run_the_machine, _TEN, "100,000 steps"
    ),
    "options": _of_one("options", hostile.run_round, 1, "100,000 wishes"),
    "crashes": Suite(crashes.PARTS, 1, "every crash point of every operation"),
    "losses": _of_one("losses", losses.run_round),
    "tracking-kill": _of_one(
        "kills", tracking_soak.run_kills, _TEN, "500 kills while events come in"
    ),
    "tracking-fuzz": _of_one("fuzz", tracking_fuzz.run_round, 4, "10,000 odd calls"),
}


@dataclass(frozen=True)
class Order:
    """What the environment asks for."""

    suite: str
    budget: float
    report: Path
    resume: bool
    seed: str
    part: str


def main() -> int:
    """Do as the environment says."""
    try:
        order = read(os.environ)
        suite = SUITES[order.suite]
        report = Report(order.suite, suite.size, order.report)
        if order.resume:
            report.remember()
    except (ValueError, ReportError) as error:
        sys.exit(str(error))
    verdict = run(order, suite, report)
    print(f"{verdict} Report: {order.report}")
    return 1 if report.findings else 0


def run(order: Order, suite: Suite, report: Report) -> str:
    """Do rounds until it is enough; give the verdict, which the report has too."""
    ends = time.monotonic() + order.budget
    broken = 0
    verdict = _verdict(report, suite, "nothing was left to do")
    while not _is_full(report, suite) or order.seed:
        part = order.part or report.next_part(list(suite.parts))
        seed = order.seed or secrets.token_hex(8)
        print(f"round {len(report.records) + 1} ({part}): SEED={seed}", flush=True)
        record = _round(suite.parts[part], part, seed)
        report.records.append(record)
        print("\n".join(shown(len(report.records), record)), flush=True)
        broken = 0 if record.is_whole else broken + 1
        why = _why_to_end(order, suite, report, broken, ends)
        verdict = _verdict(report, suite, why or "under way")
        report.write(verdict)
        if why:
            break
    return verdict


def _round(round_: Round, part: str, seed: str) -> Record:
    """Do one round; what it raises is a finding, as nothing else would tell of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(
        prefix="waylab-soak-", ignore_cleanup_errors=True
    ) as folder:
        dice = random.Random(seed)  # noqa: S311 - must be repeatable.
        try:
            found = round_(Path(folder), dice)
        except Exception as error:
            wrong = f"the round broke off: {error!r}\n{traceback.format_exc()}"
            found = faults.Findings("it broke off", [wrong], cut_short=True)
    return Record(
        part,
        seed,
        time.monotonic() - began,
        found.summary,
        tuple(found.wrong),
        not found.cut_short,
    )


def _is_full(report: Report, suite: Suite) -> bool:
    return suite.times is not None and all(
        report.whole(part) >= suite.times for part in suite.parts
    )


def _why_to_end(
    order: Order, suite: Suite, report: Report, broken: int, ends: float
) -> str:
    if order.seed:
        return "one round, as SEED asks"
    if _is_full(report, suite):
        return "ended by its size"
    if broken >= BROKEN_IN_A_ROW:
        return f"given up: {broken} rounds in a row were cut short"
    return "ended by BUDGET" if time.monotonic() >= ends else ""


def _verdict(report: Report, suite: Suite, why: str) -> str:
    counted = f"{len(report.records)} rounds, {report.findings} findings"
    if suite.times is None:
        return f"{counted}; {why}."
    done = sum(min(report.whole(part), suite.times) for part in suite.parts)
    wanted = suite.times * len(suite.parts)
    reached = "reached" if _is_full(report, suite) else "not reached"
    share = f"{done} of {wanted} rounds, {suite.size}"
    return f"{counted}; {why}. Full size {reached} ({share})."


def read(environment: Mapping[str, str]) -> Order:
    """Read what the environment asks for.

    Raises:
        ValueError: it cannot be done; the text says what to write.
    """
    name = environment.get("SUITE") or "faults"
    if name not in SUITES:
        msg = f"SUITE is {name!r}, but there are: {', '.join(SUITES)}."
        raise ValueError(msg)
    seed, part = environment.get("SEED", ""), environment.get("PART", "")
    resume = bool(environment.get("RESUME"))
    if seed and resume:
        msg = "SEED repeats one round, RESUME goes on with others: give one of them."
        raise ValueError(msg)
    parts = SUITES[name].parts
    if part and part not in parts:
        msg = f"PART is {part!r}, but SUITE={name} has: {', '.join(parts)}."
        raise ValueError(msg)
    default = Path(tempfile.gettempdir()) / f"waylab-soak-{name}.md"
    file = Path(environment.get("REPORT") or default)
    return Order(name, _budget(environment), file, resume, seed, part)


def _budget(environment: Mapping[str, str]) -> float:
    text = environment.get("BUDGET") or "3600"
    try:
        budget = float(text)
    except ValueError:
        budget = 0.0
    if not 0 < budget < float("inf"):
        msg = f"BUDGET is {text!r}, but takes a number of seconds above 0."
        raise ValueError(msg)
    return budget


if __name__ == "__main__":
    sys.exit(main())
