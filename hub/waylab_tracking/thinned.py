"""Curves that were thinned lately, for those who ask for them again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

KNOWN_TASKS = 64

Json = dict[str, Any]


class Thinned:
    """What was answered of a task's curves, as long as these are the same.

    Several threads may use it at once.
    """

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._lock = Lock()
        self._known: OrderedDict[str, tuple[Hashable, dict[Hashable, Json]]] = (
            OrderedDict()
        )

    def give(
        self, task: str, mark: Hashable, how: Hashable, make: Callable[[], Json]
    ) -> Json:
        """Give what was made of a task's curves in that way; else make it.

        `mark` is another one whenever anything of the curves is. The answer is
        everybody's: it must not be changed.
        """
        with self._lock:
            answers = self._answers(task, mark)
            if how in answers:
                return answers[how]
        # Others may ask meanwhile.
        made = make()
        with self._lock:
            self._answers(task, mark)[how] = made
        return made

    def _answers(self, task: str, mark: Hashable) -> dict[Hashable, Json]:
        known = self._known.get(task)
        if known is None or known[0] != mark:
            known = self._known[task] = mark, {}
        self._known.move_to_end(task)
        while len(self._known) > KNOWN_TASKS:
            self._known.popitem(last=False)
        return known[1]
