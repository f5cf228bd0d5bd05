"""A process beside the run that makes the page: cell by cell, in nobody's way.

Importing nbconvert and rendering take longer than many a notebook; here they share no
interpreter lock with the run, most of it is done when the last cell ends, and a page
that needs too much memory harms no verdict.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json

from waylab_runner.errors import PageError
from waylab_runner.json_text import json_bytes

_NICENESS = 5
# Many quick cells go together: waking for each would cost the run a switch a cell.
_FEED_SECONDS = 0.2


class PageProcess:
    """Makes one page; follows the run (a `Listener`) to have little left at its end."""

    def __init__(self, folder: Path, notebook: Any, title: str) -> None:
        """Start with the notebook as it is now; `folder` is the run's own."""
        self._target = folder / "page.html"
        self._made: dict[int, Any] = {}
        self._news: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._over = threading.Event()
        for place, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                self._show(place, cell)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "waylab_runner.page_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        order = {
            "target": str(self._target),
            "title": title,
            "frame": {**notebook, "cells": []},
        }
        self._feeder = threading.Thread(
            target=self._feed, args=(self._process.stdin, order), daemon=True
        )
        self._feeder.start()

    def cell_started(self, place: int) -> None:
        """Note that a cell runs now: there is nothing to show yet."""

    def cell_finished(self, place: int, cell: Any, *, well: bool) -> None:
        """Have a cell made as it is now."""
        self._show(place, cell)

    def finish(self, notebook: Any) -> bytes:
        """Give the page of the notebook as it is now, as UTF-8. Call once.

        Raises:
            PageError: the process could not make it.
        """
        for place, cell in enumerate(notebook.cells):
            # Cheap: what has not changed is the same text in memory.
            if cell != self._made.get(place):
                self._show(place, cell)
        self._over.set()
        self._feeder.join()
        if self._process.wait() != 0:
            msg = f"The page was not made (exit status {self._process.returncode})."
            raise PageError(msg)
        return self._target.read_bytes()

    def end(self) -> None:
        """End the process if it still runs; remove its file."""
        self._process.kill()
        self._process.wait()
        self._over.set()
        self._feeder.join()
        self._target.unlink(missing_ok=True)

    def _show(self, place: int, cell: Any) -> None:
        self._made[place] = cell
        self._news.put((place, cell))

    def _feed(self, pipe: IO[bytes], order: Any) -> None:
        """Write lines: the order, cells by their places, and null to finish."""
        # If it is gone, its exit status says so.
        with contextlib.suppress(BrokenPipeError), pipe:
            pipe.write(json_bytes(order) + b"\n")
            over = False
            while not over:
                over = self._over.wait(_FEED_SECONDS)
                cells = {}
                while not self._news.empty():
                    place, cell = self._news.get()
                    cells[place] = cell
                if cells:
                    pipe.write(json_bytes(cells) + b"\n")
                    pipe.flush()
            pipe.write(b"null\n")


def main() -> int:
    """Make the page of what comes in, and write it when told so."""
    os.nice(_NICENESS)
    # Imported only after giving way to the run.
    from_dict = importlib.import_module("nbformat").from_dict
    page_module = importlib.import_module("waylab_runner.page")
    lines = map(from_json, sys.stdin.buffer)
    order = next(lines, None)
    if order is None:
        return 0
    page = page_module.Page(from_dict(order["frame"]), order["title"])
    for cells in lines:
        if cells is None:
            Path(order["target"]).write_bytes(page.text().encode("utf-8", "replace"))
            return 0
        page.put({int(place): from_dict(cell) for place, cell in cells.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
