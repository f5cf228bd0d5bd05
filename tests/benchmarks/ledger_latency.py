"""A request, its grant and its release on SQLite, beside three bare transactions."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.measure import Report, Setting
from tests.waylab_ledger.site import Site, lab, two_nodes

from waylab_ledger.ledger import Ledger
from waylab_ledger.values import Lease, Selector

GOAL_SECONDS = 0.005
PAST_LEASES = 1_000
WAITING = 30
TIMES = 300
STEPS = ("request", "grant", "release")
OURS, FLOOR = "ours", "three bare transactions"


def run(setting: Setting) -> Report:
    site = _used_ledger(setting.folder / "ledger.db")
    floor = _Floor(setting.folder / "floor.db")
    steps: dict[str, list[float]] = {name: [] for name in STEPS}
    bare: list[float] = []
    try:
        for number in range(setting.rounds * TIMES):  # In turn: A B A B.
            for name, seconds in _lease_once(site, number).items():
                steps[name].append(seconds)
            bare.append(floor.once())
        wrong = site.ledger.check()
    finally:
        site.ledger.close()
        floor.close()
    if wrong:
        raise RuntimeError("; ".join(wrong))
    ours = [sum(parts) for parts in zip(*steps.values(), strict=True)]
    return _report(ours, bare, steps)


def _report(
    ours: list[float], bare: list[float], steps: dict[str, list[float]]
) -> Report:
    rows = {"**request + grant + release**": ours, **steps, f"floor: {FLOOR}": bare}
    table = ["| what | p50 | p95 | max |", "|---|---|---|---|"]
    for name, values in rows.items():
        cells = (statistics.median(values), _p95(values), max(values))
        shown = " | ".join(f"{value * 1000:.2f} ms" for value in cells)
        table.append(f"| {name} | {shown} |")
    met = "met" if _p95(ours) < GOAL_SECONDS else "**missed**"
    return Report(
        "The ledger's latency",
        notes=[
            f"Goal: p95 of the three together under {GOAL_SECONDS * 1000:g} ms: {met}. "
            f"Ratio to the floor: {_p95(ours) / _p95(bare):.2f} at p95, "
            f"{statistics.median(ours) / statistics.median(bare):.2f} at the median; "
            f"{len(ours)} times, in turn.",
            f"Ours: SQLite, WAL, synchronous=FULL, {PAST_LEASES} leases in the past, 5 "
            f"of 6 GPUs held, {WAITING} tickets waiting. Each step is one transaction.",
            "Floor: three transactions that insert one row each, in the same mode, on "
            "the same disk, by the standard library.",
        ],
        table=table,
    )


def _used_ledger(path: Path) -> Site:
    site = two_nodes(Ledger.open(f"sqlite:///{path}"))
    for number in range(PAST_LEASES):
        lease = site.ask(lab(f"past{number}"))
        site.ledger.release(lease.id, site.never(), site.now)
    site.run(lab("busy", Selector(nodes=("vision",), count=2)))
    site.run(lab("busier", Selector(nodes=("nlp",), count=3)))
    for number in range(WAITING):
        site.wait(lab(f"waiting{number}", Selector(nodes=("vision",))))
    return site


def _lease_once(site: Site, number: int) -> dict[str, float]:
    request = lab(f"user{number % 30}", Selector(nodes=("nlp",)))
    seconds: dict[str, float] = {}

    def timed(name: str, do: Callable[[], object]) -> object:
        began = time.perf_counter()
        answer = do()
        seconds[name] = time.perf_counter() - began
        return answer

    lease = timed("request", lambda: site.ledger.submit(request, site.now))
    if not isinstance(lease, Lease):
        msg = f"The free GPU was not set aside: {lease}"
        raise RuntimeError(msg)  # noqa: TRY004 - the benchmark failed.
    timed("grant", lambda: site.ledger.take(lease.id, site.hub, site.now))
    proof = site.never()
    timed("release", lambda: site.ledger.release(lease.id, proof, site.now))
    return seconds


class _Floor:
    """The least that three durable changes cost on this disk."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, doc TEXT)")

    def once(self) -> float:
        """Make three changes and give the seconds."""
        began = time.perf_counter()
        for _ in STEPS:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("INSERT INTO rows (doc) VALUES ('x')")
            self._connection.execute("COMMIT")
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
