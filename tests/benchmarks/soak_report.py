"""The report of a soak: Markdown to read, and beside it JSON to go on from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benchmarks.measure import machine


class ReportError(Exception):
    """A report cannot be gone on with; the text says why."""


@dataclass(frozen=True)
class Record:
    """What one round came to; `is_whole` says that it was not cut short."""

    part: str
    seed: str
    seconds: float
    summary: str
    wrong: tuple[str, ...] = ()
    is_whole: bool = True


@dataclass
class Report:
    """All rounds of a suite up to now."""

    suite: str
    size: str
    file: Path
    records: list[Record] = field(default_factory=list)

    @property
    def memory(self) -> Path:
        """The file to go on from."""
        return self.file.with_suffix(f"{self.file.suffix}.json")

    @property
    def findings(self) -> int:
        """How much was wrong in all rounds."""
        return sum(len(one.wrong) for one in self.records)

    def whole(self, part: str) -> int:
        """Count the rounds of a part that were not cut short."""
        return sum(one.part == part and one.is_whole for one in self.records)

    def next_part(self, parts: Sequence[str]) -> str:
        """Give the part that is done least; of equal ones that tried least."""
        tries = Counter(one.part for one in self.records)
        return min(parts, key=lambda one: (self.whole(one), tries[one]))

    def remember(self) -> None:
        """Read what was done before, if anything was.

        Raises:
            ReportError: it is of another suite, or damaged.
        """
        try:
            kept = json.loads(self.memory.read_text("utf-8"))
            suite = str(kept["suite"])
            records = [
                Record(**{**one, "wrong": tuple(one["wrong"])})
                for one in kept["records"]
            ]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{self.memory} cannot be gone on with: {error!r}. Remove it."
            raise ReportError(msg) from error
        if suite != self.suite:
            msg = (
                f"{self.memory} is of SUITE={suite}, not {self.suite}: name another "
                "REPORT."
            )
            raise ReportError(msg)
        self.records = records

    def write(self, verdict: str) -> None:
        """Write it anew, with every finding in full."""
        lines = [f"# Soak: {self.suite} (full size: {self.size})", "", f"{machine()}."]
        lines.append("")
        for number, one in enumerate(self.records, 1):
            lines += shown(number, one)
        self.file.write_text("\n".join([*lines, "", verdict, ""]), "utf-8")
        kept = {"suite": self.suite, "records": [asdict(one) for one in self.records]}
        fresh = self.memory.with_name(f"{self.memory.name}.new")
        fresh.write_text(json.dumps(kept), "utf-8")
        fresh.replace(self.memory)


def shown(number: int, one: Record) -> list[str]:
    """Give a round as lines of Markdown."""
    cut = "" if one.is_whole else "cut short: "
    head = f"- round {number} ({one.part}), SEED={one.seed}, {one.seconds:.0f} s: "
    lines = [f"{head}{cut}{one.summary}"]
    for text in one.wrong:
        first, *rest = text.splitlines() or [""]
        lines += [f"  - WRONG: {first}", *(f"    {line}" for line in rest)]
    return lines
