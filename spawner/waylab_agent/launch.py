"""Starting a job's processes so that they outlive the agent, and finding them again."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waylab_agent.errors import StartError
from waylab_agent.journal import JobFolder, ProcessId
from waylab_agent.processes import MARK, identify

SHIM = Path(__file__).with_name("shim.py")


@dataclass(frozen=True)
class Order:
    """What is to be run, and under which account (None: the agent's own)."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    claim: str
    home: Path
    work: Path
    files: dict[str, str]
    verdict: str
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class Record:
    """What a job's shim noted so far; all empty before it ran."""

    shim_pid: int | None = None
    started: bool = False
    refused: str | None = None
    ended: bool = False
    exit_code: int | None = None
    signal: int | None = None
    oom_kills: int = 0
    verdict: str | None = None


def start(order: Order, folder: JobFolder) -> tuple[ProcessId, subprocess.Popen[bytes]]:
    """Start a job in a session of its own; it holds the folder's lock while it lives.

    Raises:
        StartError: it is already running, or the machine refuses a process.
    """
    try:
        with folder.lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shim = _spawn(order, folder, lock.fileno())
    except BlockingIOError as error:
        msg = "The job's processes are already running."
        raise StartError(msg) from error
    except OSError as error:
        msg = f"The machine refuses to start the job: {error.strerror}."
        raise StartError(msg) from error
    identity = identify(shim.pid)
    _hand_over(order, shim)
    if identity is None:
        msg = "The job's first process vanished as soon as it was started."
        raise StartError(msg)
    return identity, shim


def is_held(folder: JobFolder) -> bool:
    """Say whether the job's shim lives: nothing but its end frees the lock."""
    try:
        with folder.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def read_record(folder: JobFolder) -> Record:
    """Give what the shim noted; a line that is not complete does not count."""
    try:
        content = folder.record.read_bytes()
    except FileNotFoundError:
        return Record()
    fields: dict[str, Any] = {}
    for line in content.split(b"\n")[:-1]:
        try:
            note = json.loads(line)
        except ValueError:
            continue
        match note.get("event"):
            case "shim":
                fields["shim_pid"] = note["pid"]
            case "started":
                fields["started"] = True
            case "refused":
                fields["refused"] = note["message"]
            case "ended":
                fields["ended"] = True
                for name in ("exit_code", "signal", "oom_kills", "verdict"):
                    fields[name] = note[name]
    return Record(**fields)


def _spawn(order: Order, folder: JobFolder, lock: int) -> subprocess.Popen[bytes]:
    # The record of an earlier attempt may be cut off only once the lock is ours.
    with folder.record.open("wb") as record, folder.console.open("ab") as console:
        fds = (record.fileno(), lock)
        return subprocess.Popen(  # noqa: S603 - no shell; all of it is ours.
            [sys.executable, "-I", "-S", str(SHIM), *map(str, fds)],
            stdin=subprocess.PIPE,
            stdout=console,
            stderr=subprocess.STDOUT,
            env={"PATH": os.defpath, MARK: order.claim},
            cwd="/",
            start_new_session=True,
            pass_fds=fds,
        )


def _hand_over(order: Order, shim: subprocess.Popen[bytes]) -> None:
    text = json.dumps(
        {
            "argv": order.argv,
            "env": order.environment,
            "home": str(order.home),
            "work": str(order.work),
            "files": order.files,
            "verdict": order.verdict,
            "uid": order.uid,
            "gid": order.gid,
        }
    )
    if shim.stdin is None:
        return
    try:
        with shim.stdin as pipe:
            pipe.write(text.encode())
    except BrokenPipeError:
        return  # The record, or its absence, tells how the shim ended.
