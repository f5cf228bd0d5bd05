"""When a task's processes start, seen from outside in /proc."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

SCRIPT = b"waylab_notebook.py"


class ProcessWatch:
    """Watches for the process `clearml-agent execute --id TASK`, and what it becomes.

    The official agent turns itself into the task's script (exec), in its daemon too,
    so the script's start shows only as a change of the command line.
    """

    def __init__(self, task_id: str) -> None:
        """Nothing is seen before the first `look`."""
        self._task_id = task_id.encode()
        self._pid = 0
        self.execute_started = 0.0
        self.script_started = 0.0

    def look(self) -> None:
        """Note what changed; to be called often until the script runs."""
        if self.script_started:
            return
        if not self._pid:
            self._pid = self._find()
            if self._pid:
                self.execute_started = started(self._pid)
        if self._pid and SCRIPT in _words(self._pid):
            self.script_started = time.time()

    def _find(self) -> int:
        for entry in os.listdir("/proc"):  # noqa: PTH208 - this is a hot loop.
            if entry.isdigit():
                words = _words(int(entry)).split(b"\0")
                if b"execute" in words and self._task_id in words:
                    return int(entry)
        return 0


def started(pid: int) -> float:
    """Give when a process was started, in seconds of `time.time`."""
    # Start times count from boot, and `btime` is in whole seconds: compute it.
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(") ")[2].split()
    return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _words(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
