"""Striking points one by one, in an order of chance, and what that came to."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.integration.crashes.rounds import NotConvergedError, Outcome

TRIES = 3
"""So often a point is struck that is not passed again: a call that is made once in a
process's life comes in the next process only, one of a poll now and then."""


@dataclass(frozen=True)
class Target:
    """A program in the middle of an operation, and how to strike it."""

    crash: Callable[[str], Outcome]
    """Kills it at a point, starts it again, and judges."""
    refresh: Callable[[], None]
    """Starts it anew: then it makes calls again that it makes but once."""
    mend: Callable[[], None]
    """Brings everything to rest after something has gone wrong."""
    only_looks_on: bool = False
    """It has no part in the operation: which calls it makes hangs on the time."""


@dataclass
class Tally:
    """What strikes came to.

    `missed` are points that were not passed again. `fewer` are those of them that hang
    on the time: reports of nodes and of activity are committed at their own pace, so
    an operation has now more commits, now fewer; and a node's agent looks at its own
    pace while the hub starts and ends labs.
    """

    points: int
    seconds: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    fewer: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: int = 0
    """Points that were not struck, as there was no time or no site any more."""

    def __str__(self) -> str:
        """Give it in a line."""
        said = (
            f"{self.points} points, {len(self.seconds)} deaths, slowest "
            f"{max(self.seconds, default=0.0):.1f} s"
        )
        if self.fewer:
            said += f", {len(self.fewer)} not passed again"
        if self.left:
            said += f", {self.left} not struck"
        return said

    def findings(self) -> list[str]:
        """Give all that is wrong; that nothing died is, too."""
        found = list(self.wrong)
        found += [f"not passed again in {TRIES} tries: {one}" for one in self.missed]
        if self.points and not self.seconds:
            found.append(f"no program died at any of {self.points} points")
        return found


def strike(
    target: Target,
    points: Sequence[str],
    *,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Tally:
    """Strike points in their order; one that fails does not stop the others."""
    tally = Tally(len(points))
    for number, point in enumerate(points):
        if not may_go_on():
            tally.left = len(points) - number
            break
        try:
            _strike(target, point, tally)
        except NotConvergedError as error:
            tally.wrong.append(str(error))
            try:
                target.mend()
            except NotConvergedError as broken:
                tally.wrong.append(f"it cannot be mended: {broken}")
                tally.left = len(points) - number - 1
                break
    return tally


def shuffled(dice: random.Random, points: Sequence[str]) -> list[str]:
    """Give points in an order of chance."""
    return dice.sample(points, len(points))


def _strike(target: Target, point: str, tally: Tally) -> None:
    _, what, *_, number = point.split()
    is_further_commit = what == "commit" and number != "#1"
    for tried in range(1 if is_further_commit else TRIES):
        if tried == 1:
            target.refresh()
        outcome = target.crash(point)
        if outcome.died:
            tally.seconds.append(outcome.seconds)
            return
    by_chance = is_further_commit or target.only_looks_on
    (tally.fewer if by_chance else tally.missed).append(point)
