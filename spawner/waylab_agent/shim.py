"""The process between the agent and a job: it outlives the agent and keeps the record.

Run by file name (`python -I -S shim.py RECORD_FD LOCK_FD`) with the order as JSON on
standard input; it imports the standard library only, so that it starts in
milliseconds. Standard output and error are the job's console log.

It notes one JSON line about its own start and one about the job's end in the record,
and holds the lock file's lock while it lives. Orphans of the job become its children,
so that it can end them all. What touches the job's own folder is done under the
owner's account, by forked children: the shim itself may run as root.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

VERDICT_LIMIT_BYTES = 1 << 20
_PR_SET_CHILD_SUBREAPER = 36
_FAREWELL_SECONDS = 1.0
_STEP_SECONDS = 0.02
_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")


def main() -> int:
    """Carry out one order; the record tells how it went."""
    record_fd, lock_fd = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(record_fd, False)
    os.set_inheritable(lock_fd, False)
    _ignore_signals()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    note = _Record(record_fd).note
    note({"event": "shim", "pid": os.getpid()})
    try:
        order = json.load(sys.stdin)
        _as_account(order, lambda: _prepare(order))
        before = oom_kills(_PROC, _GROUPS)
        child = _start(order)
    except (OSError, ValueError, KeyError) as error:
        note({"event": "refused", "message": str(error)})
        return 1
    note({"event": "started", "pid": child.pid})
    _wait_for(child)
    _end_leftovers()
    killed = oom_kills(_PROC, _GROUPS) - before
    verdict = _as_account(order, lambda: _collect(order))
    note(
        {
            "event": "ended",
            "exit_code": child.returncode if child.returncode >= 0 else None,
            "signal": -child.returncode if child.returncode < 0 else None,
            "oom_kills": killed,
            "verdict": verdict or None,
        }
    )
    return 0


class _Record:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def note(self, line: dict[str, Any]) -> None:
        os.write(self._fd, json.dumps(line).encode() + b"\n")
        os.fsync(self._fd)


def _ignore_signals() -> None:
    # A handler, unlike SIG_IGN, is not inherited by the job.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _as_account(order: dict[str, Any], work: Callable[[], str]) -> str:
    """Do something under the job's account and give its text; OSError if it failed."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(out)
        # Whatever happens, this copy of the shim must not go on as the shim.
        status, text = 1, "the account cannot be used"
        try:
            if order["uid"] is not None:
                os.setgroups([])
                os.setgid(order["gid"])
                os.setuid(order["uid"])
            os.umask(0o077)
            text = work()
            status = 0
        except OSError as error:
            text = str(error)
        finally:
            with os.fdopen(into, "wb") as pipe:
                pipe.write(text.encode())
            os._exit(status)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        text = pipe.read().decode()
    if os.waitpid(pid, 0)[1] != 0:
        raise OSError(text)
    return text


def _prepare(order: dict[str, Any]) -> str:
    work = Path(order["work"])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    for name, text in order["files"].items():
        path = work / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return ""


def _start(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    account: dict[str, Any] = {}
    if order["uid"] is not None:
        account = {"user": order["uid"], "group": order["gid"], "extra_groups": []}
    return subprocess.Popen(  # noqa: S603 - no shell; the agent built the command.
        order["argv"],
        env=order["env"],
        cwd=order["home"],
        stdin=subprocess.DEVNULL,
        umask=0o077,
        **account,
    )


def _wait_for(child: subprocess.Popen[bytes]) -> None:
    while child.returncode is None:
        pid, status = os.waitpid(-1, 0)
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)


def _end_leftovers() -> None:
    """End whatever the job left running; its own children and orphans alike."""
    deadline = time.monotonic() + _FAREWELL_SECONDS
    for pid in _below(os.getpid()):
        _send(pid, signal.SIGTERM)
    while _reap():
        if time.monotonic() > deadline:
            for pid in _below(os.getpid()):
                _send(pid, signal.SIGKILL)
        time.sleep(_STEP_SECONDS)


def _reap() -> bool:
    """Take in the dead children; say whether there are others."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _below(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                stat = (path / "stat").read_text("ascii", "replace")
            except OSError:
                continue
            parent = int(stat[stat.rindex(")") + 1 :].split()[1])
            children.setdefault(parent, []).append(int(path.name))
    line = list(children.get(root, ()))
    while line:
        pid = line.pop()
        line.extend(children.get(pid, ()))
        yield pid


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _collect(order: dict[str, Any]) -> str:
    """Give the runner's verdict, if it left one, and clear the job's folder away."""
    work = Path(order["work"])
    text = ""
    with contextlib.suppress(OSError, ValueError):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(work / order["verdict"], flags), "rb") as file:
            text = file.read(VERDICT_LIMIT_BYTES).decode("utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return text


def oom_kills(proc: Path, groups: Path) -> int:
    """Count the kernel's out-of-memory kills in this process's control group.

    Where there are no control groups, the whole machine's count has to do.
    """
    for path in _oom_counters(proc, groups):
        with contextlib.suppress(OSError, ValueError):
            for line in path.read_text("ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return 0


def _oom_counters(proc: Path, groups: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text("utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            below = group.lstrip("/")
            if not controllers:
                yield groups / below / "memory.events"
                yield groups / "unified" / below / "memory.events"
            elif "memory" in controllers.split(","):
                # A container sees its own group at the root.
                yield groups / "memory" / below / "memory.oom_control"
                yield groups / "memory" / "memory.oom_control"
        yield groups / "memory.events"
    yield proc / "vmstat"


if __name__ == "__main__":
    sys.exit(main())
