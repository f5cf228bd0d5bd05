"""What can go wrong on the ground floor.

    SiteError
    ├── SiteFileError      waylab.toml does not say what it must (file, line, remedy)
    ├── StateError         the state folder cannot be used
    │   └── AlreadyRunningError  another program holds the lock
    └── AccountError       no system account can be given to a user

Each message is one sentence or two for the operator: what is wrong, the value seen,
and what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class SiteError(Exception):
    """Any error of this package."""


class SiteFileError(SiteError):
    """`waylab.toml` is missing, unreadable, or does not declare a site that fits."""


class StateError(SiteError):
    """The state folder is missing, foreign, read-only or damaged."""


class AlreadyRunningError(StateError):
    """Another process holds a program's lock.

    `pid` is the holder's process id as it wrote it down, or None if it left none.
    """

    def __init__(self, program: str, pid: int | None, path: Path) -> None:
        """Say which program runs already, and in which process."""
        holder = f" (process {pid})" if pid else ""
        super().__init__(
            f"{program} runs already{holder}: it holds {path}. "
            "Stop that one first, or use another WAYLAB_HOME."
        )
        self.program = program
        self.pid = pid


class AccountError(SiteError):
    """A hub user cannot be given a system account of their own."""
