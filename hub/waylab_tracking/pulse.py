"""When runs were last heard of, by a clock that nobody can set.

Kept in memory only: while the server was away nobody could be heard, so that the
time of silence begins anew with each start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

MAX_HOSTS = 8
RETURN_SECONDS = 150.0
"""The official clients wait up to two minutes before they call again."""


class Pulse:
    """What was heard since the server began to listen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Listen from now on."""
        self._clock = clock
        self._since = clock()
        self._heard: dict[str, float] = {}
        self._hosts: dict[str, set[str]] = {}

    def note(self, task: str, host: str = "") -> None:
        """Note that a run was heard of, from a machine of that name."""
        self._heard[task] = self._clock()
        hosts = self._hosts.setdefault(task, set())
        if host and len(hosts) < MAX_HOSTS:
            hosts.add(host)

    def begin(self, task: str, host: str = "") -> None:
        """Note that an execution began: what was heard of earlier ones is not its."""
        self._hosts.pop(task, None)
        self.note(task, host)

    def listen_anew(self) -> None:
        """Note that nobody could be heard until now."""
        self._since = self._clock()

    def listened_seconds(self) -> float:
        """Say for how long runs could be heard without a break."""
        return self._clock() - self._since

    def silence_seconds(self, task: str, *, patient: bool = False) -> float:
        """Say for how long nothing was heard of a run, while it could have been.

        `patient`: its reporters may need some time to find a server that was away.
        """
        heard = self._heard.get(task, self._since)
        since = self._since + (RETURN_SECONDS if patient else 0.0)
        return self._clock() - (heard if heard > self._since else since)

    def is_heard(self, task: str) -> bool:
        """Say whether a run was heard of since the server listens."""
        return self._heard.get(task, self._since) > self._since

    def hosts(self, task: str) -> frozenset[str]:
        """Name the machines that a run was heard from."""
        return frozenset(self._hosts.get(task, ()))

    def keep(self, tasks: Iterable[str]) -> None:
        """Forget all runs but these."""
        kept = set(tasks)
        for known in (self._heard, self._hosts):
            for task in [one for one in known if one not in kept]:
                known.pop(task, None)
