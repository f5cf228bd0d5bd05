"""A soak's order of rounds, its end and its report."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.benchmarks.faults import Findings
from tests.benchmarks.soak import Order, Suite, read, run
from tests.benchmarks.soak_report import Report, ReportError

SIZE = "a few rounds"


def good(folder: Path, dice: random.Random) -> Findings:
    del folder
    return Findings(f"drew {dice.randrange(1000)}")


def bad(folder: Path, dice: random.Random) -> Findings:
    del dice
    (folder / "left").write_text("")
    msg = "on purpose"
    raise RuntimeError(msg)


def wrong(folder: Path, dice: random.Random) -> Findings:
    del folder, dice
    return Findings("seen", ["one line\nand another"])


def order(file: Path, budget: float = 600, seed: str = "") -> Order:
    return Order("s", budget, file, resume=False, seed=seed, part="")


def test_a_soak_ends_at_its_full_size_and_says_so(tmp_path: Path) -> None:
    suite = Suite({"a": good, "b": good}, 2, SIZE)
    report = Report("s", SIZE, tmp_path / "r.md")
    verdict = run(order(report.file), suite, report)
    assert verdict == (
        "4 rounds, 0 findings; ended by its size. Full size reached (4 of 4 rounds, "
        "a few rounds)."
    )
    assert [one.part for one in report.records] == ["a", "b", "a", "b"]
    assert verdict in report.file.read_text()


def test_a_soak_ends_with_its_time_and_goes_on_from_its_report(tmp_path: Path) -> None:
    suite = Suite({"a": good}, 2, SIZE)
    report = Report("s", SIZE, tmp_path / "r.md")
    verdict = run(order(report.file, budget=1e-9), suite, report)
    assert "ended by BUDGET. Full size not reached (1 of 2 rounds" in verdict
    again = Report("s", SIZE, report.file)
    again.remember()
    assert again.records == report.records
    assert "2 rounds" in run(order(report.file), suite, again)
    assert "nothing was left to do" in run(order(report.file), suite, again)
    with pytest.raises(ReportError, match="SUITE=s"):
        Report("t", SIZE, report.file).remember()


def test_a_round_that_breaks_off_is_in_the_report(tmp_path: Path) -> None:
    suite = Suite({"a": bad, "b": wrong}, 1, SIZE)
    report = Report("s", SIZE, tmp_path / "r.md")
    verdict = run(order(report.file), suite, report)
    assert "5 findings; given up: 3 rounds in a row were cut short" in verdict
    text = report.file.read_text()
    assert "RuntimeError('on purpose')" in text
    assert "  - WRONG: one line\n    and another\n" in text
    kept = Report("s", SIZE, report.file)
    kept.remember()
    assert kept.records == report.records


def test_a_seed_repeats_one_round(tmp_path: Path) -> None:
    suite = Suite({"a": good}, 5, SIZE)
    reports = [Report("s", SIZE, tmp_path / f"{n}.md") for n in range(2)]
    for report in reports:
        assert "as SEED asks" in run(order(report.file, seed="x"), suite, report)
    (one,), (two,) = (report.records for report in reports)
    assert one.summary == two.summary


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SUITE": "all"}, "SUITE is 'all'"),
        ({"BUDGET": "1h"}, "BUDGET is '1h'"),
        ({"SEED": "x", "RESUME": "1"}, "give one of them"),
        ({"PART": "x"}, "PART is 'x'"),
    ],
)
def test_an_order_that_cannot_be_done_is_refused(
    environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        read(environment)
