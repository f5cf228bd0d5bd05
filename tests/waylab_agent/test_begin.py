from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from waylab_agent import begin
from waylab_agent.follow import Followed, read_stamp, unseen
from waylab_agent.tools import closure, prepare

ORDER = {
    "task": "t1",
    "notebook": False,
    "repository": False,
    "requirements": "",
    "environments": "/w/code",
    "tools": None,
}


def test_a_task_whose_requirements_are_there_needs_no_network() -> None:
    pinned = f"clearml=={metadata.version('clearml')}\n# a comment\n\nsix  # why\n"
    arguments = begin.prepare({**ORDER, "requirements": pinned})
    assert "--standalone-mode" in arguments
    assert arguments[-2:] == ["--id", "t1"]


def test_a_task_with_a_repository_may_use_the_network() -> None:
    arguments = begin.prepare({**ORDER, "repository": True})
    assert "--standalone-mode" not in arguments


@pytest.mark.parametrize(
    "line",
    [
        "no-such-package-of-ours",
        "clearml<1",
        "clearml @ file:///tmp/x.whl",
        "-e .",
        "git+https://example.org/x.git",
        "./local",
    ],
)
def test_what_is_not_there_is_lacking(line: str) -> None:
    assert begin.lacking(f"six\n{line}\n") == [line]


def test_a_requirement_for_another_system_is_no_lack() -> None:
    assert begin.lacking('pywin32; sys_platform == "win32"') == []


def test_an_agent_is_lent_to_its_own_kind_of_python_only() -> None:
    tools = {"folder": "/nowhere", "python": "CPython 2.7 (vax, ultrix)"}
    with pytest.raises(begin.UnfitError, match="pip install clearml-agent"):
        begin.bring(tools)
    with pytest.raises(begin.UnfitError, match="no Python only"):
        begin.bring(None)


def test_what_is_unfit_is_left_as_a_verdict(tmp_path: Path) -> None:
    begin.tell(tmp_path, "The image has no package waylab.")
    assert json.loads((tmp_path / "verdict.json").read_text()) == {
        "format": 1,
        "outcome": "failed",
        "reason": "image-unfit",
        "message": "The image has no package waylab.",
    }


def test_the_lent_agent_is_whole_and_readable_for_others(tmp_path: Path) -> None:
    tools = prepare(tmp_path)
    lent = tools.folder / "lent"
    assert (lent / "clearml_agent" / "__main__.py").exists()
    assert {"clearml-agent", "requests", "virtualenv"} <= closure("clearml-agent")
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in lent.rglob("*"))
    assert prepare(tmp_path) == tools


def test_the_engine_s_stamps_are_parted_to_the_nanosecond() -> None:
    at, text = read_stamp(b"2026-11-22T10:00:00.000000007Z a line\n")
    assert at % 10**9 == 7
    assert text == b"a line\n"
    assert read_stamp(b"2026-11-22T10:00:00.5Z x")[0] - at == 500_000_000 - 7
    with pytest.raises(ValueError, match="no stamp"):
        read_stamp(b"no stamp at all")


@pytest.mark.parametrize("cut", range(6))
def test_wherever_a_log_is_cut_off_each_part_of_it_comes_once(cut: int) -> None:
    log = [(1, b"a\n"), (2, b"long "), (2, b"line "), (2, b"here\n"), (3, b"b\n")]
    state = Followed()
    first = list(unseen(log[:cut], state))
    for at, text in first:
        state = state.then(at, len(text))
    again = [part for part in log if part[0] >= state.at_nanoseconds]
    assert first + list(unseen(again, state)) == log
    assert state.size == sum(len(text) for _, text in first)
