"""The job's console: the notebook's text as it appears, within reason."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

BURST_CHARACTERS = 2 * 1024 * 1024
CHARACTERS_PER_SECOND = 64 * 1024


class Console:
    """Writes a notebook's text to a stream at once; a flood is cut, and said to be.

    The console is stored line by line on the tracking server, so a cell that prints
    50 MB must not fill it: the output notebook has it all. What a long training prints
    is far below the allowance, which grows with time.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to `stream` (default: this process's stdout)."""
        self._stream = stream or sys.stdout
        self._clock = clock
        self._allowance = float(BURST_CHARACTERS)
        self._last = clock()
        self._left_out = 0
        self._line_open = False

    def write(self, text: str) -> None:
        """Write text of the notebook; what exceeds the allowance is left out."""
        now = self._clock()
        self._allowance = min(
            float(BURST_CHARACTERS),
            self._allowance + (now - self._last) * CHARACTERS_PER_SECOND,
        )
        self._last = now
        if len(text) > self._allowance:
            kept = 0 if self._left_out else int(self._allowance)
            self._left_out += len(text) - kept
            text = text[:kept]
        elif self._left_out:
            self._say_left_out()
        self._put(text)
        self._allowance -= len(text)

    def say(self, sentence: str) -> None:
        """Write a line of the runner's own; always whole."""
        if self._left_out:
            self._say_left_out()
        if self._line_open:
            self._put("\n")
        self._put(f"{sentence}\n")

    def _say_left_out(self) -> None:
        count, self._left_out = self._left_out, 0
        self.say(
            f"[waylab] ... {count} characters left out here; the output notebook has "
            "them all."
        )

    def _put(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
            self._line_open = not text.endswith("\n")
