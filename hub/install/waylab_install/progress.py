"""One line a step, with the seconds it took."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Prints a line for every step that has work to do.

    On a terminal the seconds count up in place; into a file each line is written
    once, when the step ends, after its beginning.
    """

    def __init__(self, out: TextIO, total: int) -> None:
        """Print to `out`; `total` is the number of steps that have work to do."""
        self._out = out
        self._total = total
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show a step while it is under way."""
        self._number += 1
        line = f"[{self._number}/{self._total}] {title} ..."
        began = time.monotonic()
        self._write(line)
        over = threading.Event()
        ticker = threading.Thread(
            target=self._tick, args=(line, began, over), daemon=True
        )
        if self._out.isatty():
            ticker.start()
        outcome = "failed after "
        try:
            yield
            outcome = ""
        finally:
            over.set()
            if ticker.is_alive():
                ticker.join()
            back = f"\r{line}" if self._out.isatty() else ""
            seconds = time.monotonic() - began
            self._write(f"{back} {outcome}{seconds:.0f} s\n")

    def say(self, sentence: str) -> None:
        """Print a sentence between the steps."""
        self._write(f"{sentence}\n")

    def _tick(self, line: str, began: float, over: threading.Event) -> None:
        while not over.wait(1):
            self._write(f"\r{line} {time.monotonic() - began:.0f} s")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
