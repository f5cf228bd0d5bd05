"""What can go wrong with backups.

    BackupError
    ├── DamagedError      a backup is not what its manifest says
    └── DatabaseError     a database cannot be copied or filled

Each message is one sentence or two with the value seen and the remedy.
"""

from __future__ import annotations


class BackupError(Exception):
    """A backup cannot be made or restored."""


class DamagedError(BackupError):
    """A backup is not what its manifest says."""


class DatabaseError(BackupError):
    """A database cannot be copied or filled."""
