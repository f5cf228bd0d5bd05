"""Pairs of measurements, taken in one run, and how they are shown."""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

HEAD = (
    "| what | ours: min / median / max | peer | peer: min / median / max "
    "| ratio of medians (of pairs) | goal | |",
    "|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Pair:
    """Ours beside a peer or a floor; both in seconds, in the order of measuring.

    `goal` is the highest ratio of the medians that is good enough (None: no goal).
    """

    what: str
    ours: tuple[float, ...]
    peer_name: str
    peer: tuple[float, ...]
    goal: float | None = None

    @property
    def ratio(self) -> float:
        """The ratio of the medians."""
        return statistics.median(self.ours) / statistics.median(self.peer)

    def row(self) -> str:
        """Give a row of the table under `HEAD`."""
        pairs = [a / b for a, b in zip(self.ours, self.peer, strict=False)]
        goal = "" if self.goal is None else f"≤ {self.goal:g}"
        met = "" if self.goal is None else self.verdict()
        return (
            f"| {self.what} | {spread(self.ours)} s | {self.peer_name} "
            f"| {spread(self.peer)} s | **{self.ratio:.2f}** "
            f"({min(pairs):.2f} to {max(pairs):.2f}) | {goal} | {met} |"
        )

    def verdict(self) -> str:
        """Say whether the goal is met."""
        return "met" if self.goal is None or self.ratio <= self.goal else "**missed**"


@dataclass
class Report:
    """What one benchmark found."""

    title: str
    pairs: list[Pair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    table: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Give it in Markdown."""
        lines = [f"## {self.title}", ""]
        if self.pairs:
            lines += [*HEAD, *(pair.row() for pair in self.pairs), ""]
        if self.table:
            lines += [*self.table, ""]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Setting:
    """What a benchmark is given: a folder of its own, and how often to measure."""

    folder: Path
    rounds: int
    random: random.Random


def spread(values: Sequence[float]) -> str:
    """Give min, median and max in seconds, as a cell of a table."""
    return " / ".join(
        f"{value:.2f}"
        for value in (min(values), statistics.median(values), max(values))
    )


def split_table(
    stages: Sequence[str], by_name: dict[str, dict[str, list[float]]]
) -> list[str]:
    """Give a table of medians: a row for each stage, a column for each name."""
    rows = [
        f"| stage | {' | '.join(by_name)} |",
        f"|---|{'---|' * len(by_name)}",
    ]
    for stage in stages:
        cells = (
            f"{statistics.median(found[stage]):.2f} s" if found.get(stage) else "-"
            for found in by_name.values()
        )
        rows.append(f"| {stage} | {' | '.join(cells)} |")
    return rows


def alternate(
    rounds: int, steps: dict[str, Callable[[], float]]
) -> dict[str, tuple[float, ...]]:
    """Take each measurement once a round, in turn: A B A B."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            found[name].append(step())
    return {name: tuple(values) for name, values in found.items()}


def wait_for(condition: Callable[[], T | None], what: str, seconds: float) -> T:
    """Give the condition's first true value.

    Raises:
        TimeoutError: it is not true in time.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            msg = f"Not within {seconds:g} s: {what}"
            raise TimeoutError(msg)
        time.sleep(0.05)
    return value


def machine() -> str:
    """Describe this machine in one line."""
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cores} cores of {cpu}, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}; load at the start "
        f"{os.getloadavg()[0]:.1f}"
    )
