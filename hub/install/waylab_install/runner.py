"""Runs the tools of a step, their output kept in a file."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from waylab_install.diagnosis import explain
from waylab_install.errors import StepError

_TAIL_BYTES = 65536
_GRACE_SECONDS = 20


class Runner(Protocol):
    """Runs one tool of one step."""

    def run(
        self, argv: Sequence[Path | str], *, cwd: Path, env: Mapping[str, str]
    ) -> None:
        """Run to the end; raise StepError if the tool failed."""


class LoggingRunner:
    """Runs tools of one step and appends what they print to its log."""

    def __init__(self, title: str, log: Path) -> None:
        """Start a new log."""
        self._title = title
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")

    def run(
        self, argv: Sequence[Path | str], *, cwd: Path, env: Mapping[str, str]
    ) -> None:
        """Run to the end, without input; the tool ends if this program is stopped."""
        began = self._log.stat().st_size
        with self._log.open("ab") as out:
            out.write(f"$ {' '.join(map(str, argv))}\n".encode())
            out.flush()
            try:
                child = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                message = f"{argv[0]} cannot be started: {error}"
                raise StepError(message, self._log) from error
            try:
                code = child.wait()
            except BaseException:
                _end(child)
                raise
        if code != 0:
            raise StepError(explain(self._title, self._tail(began)), self._log)

    def _tail(self, began: int) -> str:
        with self._log.open("rb") as log:
            log.seek(max(began, self._log.stat().st_size - _TAIL_BYTES))
            return log.read().decode(errors="replace")


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
