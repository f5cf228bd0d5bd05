"""Processes of labs: alive or not, and ending all that belong to one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from waylab_spawner.environment import MARK

_PAUSE_SECONDS = 0.05


def started_at(pid: int) -> float | None:
    """Give when a process started (seconds since the epoch), None if it is gone."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time()
    except psutil.NoSuchProcess:
        return None


def is_same(pid: int, started: float) -> bool:
    """Tell whether a process lives and is the one that started then."""
    now = started_at(pid)
    return now is not None and abs(now - started) < 1.0


def marked(mark: str) -> tuple[int, ...]:
    """Find the processes that carry exactly this mark in their environment."""
    return _find(lambda value: value == mark)


def marked_of_site(site_id: str) -> tuple[int, ...]:
    """Find the processes of all labs of a site."""
    return _find(lambda value: value.startswith(f"{site_id}/"))


def end(pids: Callable[[], Iterable[int]], *, grace_seconds: float) -> tuple[int, ...]:
    """End processes: SIGTERM, and SIGKILL for those left after the grace time.

    `pids` is asked again and again, so that children born meanwhile are met too.
    Blocks for at most `grace_seconds` and five seconds more; gives what is left.
    """
    for pid in pids():
        _signal(pid, signal.SIGTERM)
    if not _wait(pids, grace_seconds):
        return ()
    deadline = time.monotonic() + 5.0
    while left := tuple(pids()):
        if time.monotonic() > deadline:
            return left
        for pid in left:
            _signal(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)
    return ()


def _wait(pids: Callable[[], Iterable[int]], seconds: float) -> tuple[int, ...]:
    deadline = time.monotonic() + seconds
    while left := tuple(pids()):
        if time.monotonic() > deadline:
            return left
        time.sleep(_PAUSE_SECONDS)
    return ()


def _find(matches: Callable[[str], bool]) -> tuple[int, ...]:
    prefix = f"{MARK}=".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:  # Gone meanwhile, or another account's.
            continue
        for entry in environment.split(b"\0"):
            if entry.startswith(prefix):
                if matches(entry[len(prefix) :].decode(errors="replace")):
                    found.append(int(folder.name))
                break
    return tuple(found)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
