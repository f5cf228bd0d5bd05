from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from waylab_hub import control
from waylab_hub.errors import ControlError


async def _echo(question: control.Answer) -> control.Answer:
    if question["verb"] == "fail":
        msg = "no such thing"
        raise ControlError(msg)
    return {"heard": question}


async def test_a_question_gets_its_answer_over_a_private_socket(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 40) / "supervisor.sock"
    path.parent.mkdir()

    async with control.serve(path, _echo):
        mode = path.stat().st_mode & 0o777
        answer = await asyncio.to_thread(control.ask, path, {"verb": "status"})

    assert answer == {"heard": {"verb": "status"}}
    assert mode == 0o600
    assert not path.exists()


async def test_an_error_is_told_to_who_asked(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.sock"

    async with control.serve(path, _echo):
        with pytest.raises(ControlError, match="no such thing"):
            await asyncio.to_thread(control.ask, path, {"verb": "fail"})
        with pytest.raises(ControlError, match="not understood"):
            await asyncio.to_thread(control.ask, path, {})


def test_where_nothing_runs_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="waylab up"):
        control.ask(tmp_path / "supervisor.sock", {"verb": "status"})
    with pytest.raises(ControlError, match="waylab up"):
        control.ask(tmp_path / "nowhere" / "supervisor.sock", {"verb": "status"})
