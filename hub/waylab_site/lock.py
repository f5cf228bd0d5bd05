"""Locks that say which programs of a site run."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from waylab_site.errors import AlreadyRunningError, StateError


class Lock:
    """A program's lock: an flock on a file that names the holder's process.

    It is held while the descriptor is open in any process, so it can be handed to a
    child (`fileno`) and ends with its holder, however that dies.
    """

    def __init__(self, program: str, path: Path) -> None:
        """Nothing is opened before `acquire`."""
        self.program = program
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> Self:
        """Take the lock and write the current process id down.

        Raises:
            AlreadyRunningError: another process holds it.
            StateError: the file cannot be opened.
        """
        try:
            descriptor = os.open(
                self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            msg = f"Cannot open the lock {self.path}: {error.strerror}."
            raise StateError(msg) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                msg = f"Cannot lock {self.path}: {error.strerror}."
                raise StateError(msg) from error
            raise AlreadyRunningError(self.program, self.holder(), self.path) from error
        self._descriptor = descriptor
        self.name_holder(os.getpid())
        return self

    def name_holder(self, pid: int) -> None:
        """Write down which process holds the lock (a child that it was handed to)."""
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), f"{pid}\n".encode("ascii"), 0)

    def holder(self) -> int | None:
        """Give the process id that the last holder wrote down, if any."""
        try:
            return int(self.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def is_held(self) -> bool:
        """Tell whether some process holds the lock now."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def fileno(self) -> int:
        """Give the open descriptor.

        Raises:
            ValueError: the lock is not held here.
        """
        if self._descriptor is None:
            msg = f"The lock {self.path} is not held by this process."
            raise ValueError(msg)
        return self._descriptor

    def release(self) -> None:
        """Let go of it here; doing so twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Take it."""
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of it."""
        self.release()
