"""Processes of this machine: identity, descendants, signals."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from waylab_agent.journal import ProcessId
from waylab_engine.marks import read_mark

MARK = "WAYLAB_JOB_CLAIM"
"""Variable in the environment of every process of a job; its value is the claim."""

_START_TICKS_FIELD = 22
_FIELDS_BEFORE_STATE = 2


def identify(pid: int) -> ProcessId | None:
    """Give the identity of a living process, None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
    # The second field is a name in brackets and may itself hold blanks and brackets.
    fields = stat[stat.rindex(")") + 1 :].split()
    ticks = int(fields[_START_TICKS_FIELD - _FIELDS_BEFORE_STATE - 1])
    return ProcessId(pid=pid, start_ticks=ticks, boot_id=boot_id)


def is_alive(process: ProcessId) -> bool:
    """Say whether exactly this process still exists and is no zombie."""
    if identify(process.pid) != process:
        return False
    try:
        return psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def descendants(process: ProcessId) -> list[psutil.Process]:
    """Give the living children of a process, and theirs; empty if it is gone."""
    if not is_alive(process):
        return []
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []
    return [child for child in children if _lives(child)]


def marked(claim: str) -> list[psutil.Process]:
    """Give all living processes whose environment bears a job's mark."""
    wanted = f"{MARK}={claim}".encode()
    return [
        process
        for process in _others()
        if wanted in _environment(process.pid) and _lives(process)
    ]


def leased(scope: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Give holder and devices of each lease that living processes name."""
    found = {}
    for process in _others():
        mark = read_mark(_environment(process.pid), scope)
        if mark is not None and _lives(process):
            lease, holder, devices = mark
            found[lease] = (holder, devices)
    return found


def of_lease(scope: str, lease: str) -> list[psutil.Process]:
    """Give all living processes that name a lease."""
    return [
        process
        for process in _others()
        if (mark := read_mark(_environment(process.pid), scope)) is not None
        and mark[0] == lease
        and _lives(process)
    ]


def ask(processes: list[psutil.Process]) -> None:
    """Send SIGTERM to each; those already gone are no error."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()


def ask_to_end(process: ProcessId) -> None:
    """Send SIGTERM to the group of a session's leader (its kernels are spared)."""
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)


def kill(processes: list[psutil.Process]) -> None:
    """Send SIGKILL to each; those already gone are no error."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _others() -> Iterator[psutil.Process]:
    own = os.getpid()
    for pid in psutil.pids():
        if pid != own:
            with contextlib.suppress(psutil.Error):
                yield psutil.Process(pid)


def _environment(pid: int) -> frozenset[bytes]:
    try:
        return frozenset(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return frozenset()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
