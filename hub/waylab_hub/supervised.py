"""One program under supervision: started, watched, started again, ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from waylab_hub.errors import StartError
from waylab_hub.programs import Program
from waylab_site.errors import AlreadyRunningError
from waylab_site.lock import Lock

_log = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[bool]]
AfterAnswer = Callable[[], Awaitable[None]]

_PROBE_PAUSE_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0
_LOG_LIMIT_BYTES = 20 * 1024 * 1024


class Condition(StrEnum):
    """How a program is."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Report:
    """What `waylab status` shows of a program."""

    name: str
    condition: Condition
    pid: int | None
    restarts: int
    since: float
    """Seconds since the epoch at which the condition began."""


class Supervised:
    """Keeps one program running until `stop`."""

    def __init__(
        self,
        program: Program,
        lock: Lock,
        probe: Probe,
        after_answer: AfterAnswer | None = None,
    ) -> None:
        """Nothing is started before `start`.

        `after_answer` is awaited each time that a fresh process answers, before it
        counts as ready.
        """
        self.program = program
        self.ready = asyncio.Event()
        self.deaths = 0
        self._lock = lock
        self._probe = probe
        self._after_answer = after_answer
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._restart_now = asyncio.Event()
        self._over = asyncio.Event()  # Of the present process; each has its own.
        self._stopping = False
        self._condition = Condition.STOPPED
        self._since = time.time()

    def start(self) -> None:
        """Begin to keep it running, in a task of the running loop."""
        if self._task is None:
            self._stopping = False
            self._task = asyncio.create_task(self._keep(), name=self.program.name)

    def report(self) -> Report:
        """Say how it is now."""
        pid = self._process.pid if self._process else None
        return Report(self.program.name, self._condition, pid, self.deaths, self._since)

    async def restart(self, program: Program) -> None:
        """End it gently and start it again, from now on as this `program`."""
        self.program = program
        self.ready.clear()
        self._restart_now.set()
        if self._process is not None:
            over = self._over
            await self._end(self._process, signal.SIGTERM)
            await over.wait()

    async def stop(self) -> None:
        """End it for good: its own signal, then SIGKILL after its grace time."""
        self._stopping = True
        self.ready.clear()
        self._restart_now.set()
        if self._process is not None:
            await self._end(self._process, self.program.full_stop)
        if self._task is not None:
            await self._task
            self._task = None
        self._set(Condition.STOPPED)

    async def failure(self) -> StartError:
        """Wait until it has given up, which it does only by an error of its own."""
        if self._task is None:
            msg = f"{self.program.name} was not started."
            raise RuntimeError(msg)
        done, _ = await asyncio.wait([self._task])
        for task in done:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, StartError):
                return error
        return StartError(f"{self.program.name} has stopped. Look at {self._log_hint}.")

    @property
    def _log_hint(self) -> str:
        return str(self.program.log)

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping:
            self._restart_now.clear()
            began = time.monotonic()
            status = await self._run_once()
            if self._stopping:
                return
            if self._restart_now.is_set():
                pause = _FIRST_PAUSE_SECONDS
                continue
            self.deaths += 1
            if time.monotonic() - began > _HEALTHY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            _log.warning(
                "%s ended (%s); it is started again in %.1f s. Its log: %s",
                self.program.name,
                _ending(status),
                pause,
                self._log_hint,
            )
            self._set(Condition.WAITING)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._restart_now.wait(), pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _run_once(self) -> int:
        await self._take_lock()
        try:
            self._process = await self._spawn()
            self._over = asyncio.Event()
        finally:
            self._lock.release()  # The child holds it from here on.
        self._set(Condition.STARTING)
        watch = asyncio.create_task(self._watch_readiness())
        try:
            if self._stopping or self._restart_now.is_set():
                await self._end(self._process, signal.SIGTERM)
            return await self._process.wait()
        finally:
            watch.cancel()
            _signal_group(self._process.pid, signal.SIGKILL)
            self._process = None
            self.ready.clear()
            self._over.set()

    async def _take_lock(self) -> None:
        if self._lock.is_held():
            # Its own child after a crash of the supervisor: the lock proves it.
            await asyncio.to_thread(
                end_holder, self._lock, grace_seconds=self.program.grace_seconds
            )
        try:
            self._lock.acquire()
        except AlreadyRunningError as error:
            raise StartError(str(error)) from error

    async def _spawn(self) -> Process:
        program = self.program
        log = _open_log(program.log)
        try:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                env=dict(program.environment),
                cwd=program.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the supervisor alone.
                pass_fds=[self._lock.fileno()],
            )
        except OSError as error:
            msg = f"{program.name} cannot be started: {error}. Run `waylab doctor`."
            raise StartError(msg) from error
        finally:
            os.close(log)
        self._lock.name_holder(process.pid)
        return process

    async def _watch_readiness(self) -> None:
        while not await self._probe():  # noqa: ASYNC110 - another process's state.
            await asyncio.sleep(_PROBE_PAUSE_SECONDS)
        if self._after_answer is not None:
            await self._after_answer()
        self._set(Condition.READY)
        self.ready.set()

    async def _end(self, process: Process, first: signal.Signals) -> None:
        for number, seconds in (
            (first, self.program.grace_seconds),
            (signal.SIGKILL, 5.0),
        ):
            if process.returncode is not None:
                return
            _signal_group(process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)

    def _set(self, condition: Condition) -> None:
        self._condition = condition
        self._since = time.time()


def end_holder(lock: Lock, *, grace_seconds: float) -> None:
    """End the process that holds a lock, if it is the one that wrote itself down.

    Blocks until the lock is free, at most the grace time and five seconds.
    """
    pid = lock.holder()
    if pid is None or not _has_open(pid, lock.path):
        return
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        _signal_group(pid, number)
        deadline = time.monotonic() + seconds
        while lock.is_held() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not lock.is_held():
            return


def _has_open(pid: int, path: Path) -> bool:
    try:
        wanted = path.stat()
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found = entry.stat()
                if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
    except OSError:
        return False
    return False


def _signal_group(leader: int, number: signal.Signals) -> None:
    # A group whose leader is gone may still have members; an empty one is no error.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _open_log(path: Path) -> int:
    with contextlib.suppress(OSError):
        if path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"
