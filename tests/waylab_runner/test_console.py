"""The console: all of a training's lines, not all of a flood."""

from __future__ import annotations

import io

from waylab_runner.console import BURST_CHARACTERS, CHARACTERS_PER_SECOND, Console


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_of_the_runner_begins_a_line() -> None:
    out = io.StringIO()
    console = Console(out)
    console.write("50 %")
    console.say("done")
    assert out.getvalue() == "50 %\ndone\n"


def test_a_flood_is_cut_and_said_to_be() -> None:
    out, clock = io.StringIO(), Clock()
    console = Console(out, clock=clock)
    console.write("x" * (BURST_CHARACTERS + 100))
    console.write("y" * 50)
    console.say("end")
    assert out.getvalue().startswith("x" * BURST_CHARACTERS)
    assert "150 characters left out" in out.getvalue()
    assert "y" not in out.getvalue().replace("[waylab]", "").split("...")[0]
    assert out.getvalue().endswith("end\n")


def test_the_allowance_grows_with_time() -> None:
    out, clock = io.StringIO(), Clock()
    console = Console(out, clock=clock)
    console.write("x" * BURST_CHARACTERS)
    for second in range(100):
        clock.now = float(second + 1)
        console.write("y" * CHARACTERS_PER_SECOND)
    assert out.getvalue().count("y") == 100 * CHARACTERS_PER_SECOND
