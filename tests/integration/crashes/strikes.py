"""Orders for the hook: which program dies, and where."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HOOK = Path(__file__).with_name("hook")
_OFTEN = {"GET": 1, "POST": 3, "PUT": 3, "DELETE": 3}
"""So many of equal engine calls are points; later ones repeat or only wait."""


class Strikes:
    """Points of programs that were started within `prepared`."""

    def __init__(self, folder: Path) -> None:
        """Nothing is struck before `arm`."""
        self._folder = folder
        (folder / "lock").touch()
        self.environment = {"PYTHONPATH": str(HOOK), "CRASH_POINTS": str(folder)}
        """What a program needs in its environment, to be struck."""

    def arm(self, role: str, strike: str = "") -> None:
        """Let a program note the points it passes, and die at `strike`."""
        (self._folder / "passed").write_text("")
        order = {"id": secrets.token_hex(8), "role": role, "strike": strike}
        new = self._folder / "order.new"
        new.write_text(json.dumps(order))
        new.replace(self._folder / "order.json")

    def disarm(self) -> tuple[str, ...]:
        """End it; give the points that were passed, in order.

        Whoever was about to die has died when this returns.
        """
        with (self._folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (self._folder / "order.json").unlink()
        passed = (self._folder / "passed").read_text().splitlines()
        return tuple(dict.fromkeys(p for p in passed if _is_point(p)))


def states(points: Sequence[str]) -> tuple[str, ...]:
    """Give of these points one for each state that a crash can leave behind.

    Outside a program nothing changes between one write and the next, and none by
    reading.
    """
    writes = [p for p in points if not p.split()[1].startswith("GET")]
    first = [p for p in writes if p.startswith("before")][:1]
    return tuple(first + [p for p in writes if p.startswith("after")])


@contextmanager
def prepared(folder: Path) -> Iterator[Strikes]:
    """Have the hook in every program that is started in this block."""
    folder.mkdir()
    strikes = Strikes(folder)
    before = {name: os.environ.get(name) for name in strikes.environment}
    os.environ.update(strikes.environment)
    try:
        yield strikes
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _is_point(passed: str) -> bool:
    _, what, *_, number = passed.split()
    return what == "commit" or int(number.removeprefix("#")) <= _OFTEN[what]
