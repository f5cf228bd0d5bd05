"""What the agent must know after a crash: one folder and one entry per job.

`<state>/jobs/<task id>/` holds `job.json` (the entry, replaced atomically and synced
before the step that it announces), `console.log` (what the job prints), `record`
(what the job's shim notes about its start and end), `lock` (held by the shim as long
as it lives), `shipped.json` (how much of the log the server has) and, for a job in a
container, `followed.json` (how much of the engine's log is in ours) and `work` (what
the container sees of it). The folder is the agent's own; nothing in it but what is
below `work` can be written by a job.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from waylab_agent.errors import JournalError
from waylab_agent.gate import Grant

_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Phase(StrEnum):
    """How far a job has come; an entry says what is about to be done."""

    CLAIMING = "claiming"
    """The task may or may not be out of its queue."""
    CLAIMED = "claimed"
    """We took the task out of its queue; it may or may not be marked started."""
    STARTING = "starting"
    """The task is marked started by us; its processes may or may not exist."""
    RUNNING = "running"
    """The job's processes were started."""


class StopCause(StrEnum):
    """Why the agent stops a job before its end."""

    ABORTED = "aborted"
    """Somebody asked for it, or the agent was told to stop everything."""
    TIMEOUT = "timeout"
    """The time limit of its lease is over."""
    REVOKED = "revoked"
    """Its lease was taken back: the devices may already be somebody else's."""
    SUPERSEDED = "superseded"
    """The task was reset, deleted or ended by somebody else."""


class ProcessId(BaseModel):
    """A process, told apart from a later one with the same number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    start_ticks: int
    boot_id: str


class GrantEntry(BaseModel):
    """A gate's grant as kept in the journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    slot: str
    devices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class JobEntry(BaseModel):
    """The journal's entry of one job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    task_id: str
    queue: str
    queue_id: str
    grant: GrantEntry
    claim: str
    """A random word that tells our claim of this task from any other."""
    phase: Phase = Phase.CLAIMING
    stop: StopCause | None = None
    process: ProcessId | None = None
    notebook: bool = False
    """The task is run by Waylab's runner, which owes a verdict."""
    in_container: bool = False
    """The job is to run in a container of the node's engine."""
    container: str | None = None
    """Name of the job's container; None before its start."""
    engine_id: str | None = None

    def as_grant(self) -> Grant:
        """Give the grant that the job runs under."""
        return Grant(
            id=self.grant.id,
            task_id=self.task_id,
            queue=self.queue,
            slot=self.grant.slot,
            devices=self.grant.devices,
            groups=self.grant.groups,
        )


class JobFolder:
    """The files of one job."""

    def __init__(self, path: Path) -> None:
        """Name the files; nothing is made yet."""
        self.path = path
        self.console = path / "console.log"
        self.record = path / "record"
        self.lock = path / "lock"
        self.shipped = path / "shipped.json"
        self.followed = path / "followed.json"
        self.work = path / "work"
        self._entry = path / "job.json"

    def write(self, entry: JobEntry) -> None:
        """Make the entry durable.

        Raises:
            JournalError: the disk is full or the folder is not writable.
        """
        replace_file(self._entry, entry.model_dump_json(indent=1), durable=True)

    def read(self) -> JobEntry:
        """Give the entry.

        Raises:
            JournalError: it is missing or not one of ours.
        """
        try:
            return JobEntry.model_validate_json(self._entry.read_text("utf-8"))
        except (OSError, ValidationError) as error:
            msg = f"Cannot read the journal entry {self._entry}: {error}"
            raise JournalError(msg) from error

    def remove(self) -> None:
        """Forget the job; the entry goes first."""
        self._entry.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


class Journal:
    """All jobs of one agent."""

    def __init__(self, state: Path) -> None:
        """Make the folder (0700) if there is none.

        Raises:
            JournalError: it cannot be made.
        """
        self._jobs = state / "jobs"
        try:
            self._jobs.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            msg = f"Cannot make the folder {self._jobs}: {error.strerror}."
            raise JournalError(msg) from error

    def create(self, entry: JobEntry) -> JobFolder:
        """Begin a job's folder with its first entry, durably.

        Raises:
            JournalError: the task's id is no plain word, or the disk refuses.
        """
        if not _TASK_ID.fullmatch(entry.task_id):
            msg = f"The task id {entry.task_id!r} is not one that ClearML makes."
            raise JournalError(msg)
        folder = JobFolder(self._jobs / entry.task_id)
        try:
            shutil.rmtree(folder.path, ignore_errors=True)
            folder.path.mkdir(mode=0o700)
        except OSError as error:
            msg = f"Cannot make the folder {folder.path}: {error.strerror}."
            raise JournalError(msg) from error
        folder.write(entry)
        try:
            _sync_folder(self._jobs)
        except OSError as error:
            msg = f"Cannot write the folder {self._jobs}: {error.strerror}."
            raise JournalError(msg) from error
        return folder

    def folders(self) -> Iterator[JobFolder]:
        """Give the folders of all jobs that have an entry; sweep up the others."""
        for path in sorted(self._jobs.iterdir()):
            if (path / "job.json").exists():
                yield JobFolder(path)
            else:
                shutil.rmtree(path, ignore_errors=True)


def read_json(path: Path) -> object:
    """Give a file's JSON, or None if there is none or it is damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def replace_file(path: Path, text: str, *, durable: bool) -> None:
    """Replace a file as a whole; `durable` waits for the disk.

    Raises:
        JournalError: the disk is full or the folder is not writable.
    """
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        fresh.replace(path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        msg = f"Cannot write {path}: {error.strerror}. Is the disk full?"
        raise JournalError(msg) from error


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
