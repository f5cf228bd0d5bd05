"""Verdicts as stored and read back."""

import pytest

from waylab_clearml.verdict import Outcome, Reason, Verdict


def test_a_verdict_is_read_back_the_same() -> None:
    verdict = Verdict(
        Outcome.FAILED,
        Reason.CELL_ERROR,
        "Cell 3 failed: ValueError: x",
        cell=4,
        cell_id="abc",
        number=3,
        ename="ValueError",
        evalue="x",
        traceback=("a", "b"),
    )
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"format": 2}',
        '{"format": 1}',
        '{"format": 1, "outcome": "failed", "reason": "mood", "message": ""}',
    ],
)
def test_what_is_no_verdict_is_none(text: str) -> None:
    assert Verdict.from_json(text) is None
