"""A process beside the run that makes the page: ready early, in nobody's way.

Importing nbconvert and rendering take longer than many a notebook; here they share no
interpreter lock with the run, and a page that needs too much memory harms no verdict.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from waylab_runner.errors import PageError

_NICENESS = 5


class PageProcess:
    """Makes one page; started when there is time for it, asked at the end."""

    def __init__(self, folder: Path) -> None:
        """Start the process; `folder` is the run's own, for the files between."""
        self._source = folder / "page.ipynb"
        self._target = folder / "page.html"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "waylab_runner.page_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def render(self, notebook: Any, title: str) -> bytes:
        """Give the page of a notebook as UTF-8. Call once.

        Raises:
            PageError: the process could not make it.
        """
        text = json.dumps(notebook, ensure_ascii=False, separators=(",", ":"))
        self._source.write_bytes(text.encode("utf-8", "replace"))
        order = {
            "source": str(self._source),
            "target": str(self._target),
            "title": title,
        }
        self._process.communicate(json.dumps(order).encode())
        if self._process.returncode != 0:
            msg = f"The page was not made (exit status {self._process.returncode})."
            raise PageError(msg)
        return self._target.read_bytes()

    def end(self) -> None:
        """End the process if it was never asked; remove the files between."""
        self._process.kill()
        self._process.communicate()
        for path in (self._source, self._target):
            path.unlink(missing_ok=True)


def main() -> int:
    """Import what a page needs, wait for the order, and follow it."""
    os.nice(_NICENESS)
    # Imported only after giving way to the run.
    from nbformat.notebooknode import from_dict  # noqa: PLC0415

    from waylab_runner.page import prepare, render  # noqa: PLC0415

    prepare()
    text = sys.stdin.read()
    if not text:
        return 0
    order = json.loads(text)
    source = json.loads(Path(order["source"]).read_bytes())
    notebook: Any = from_dict(source)  # type: ignore[no-untyped-call]
    page = render(notebook, order["title"])
    Path(order["target"]).write_bytes(page.encode("utf-8", "replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
