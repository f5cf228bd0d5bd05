"""What of a state folder is in a backup."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

FILES = ("waylab.toml", "places.json", "ports.json")
FOLDERS = ("hub", "board", "tracking")
SECRETS = "secrets"
# Made anew by the next start; one of them holds secrets.
RENEWED = ("hub/settings.json", "tracking/incoming")
SECRET_FILES = ("tracking/jwt.secret", "tracking/system.json")
# Never changed once they are there, only replaced or deleted: these may be linked.
STORED = "tracking/files"
BESIDE_SQLITE = ("-wal", "-shm", "-journal")
MAGIC = b"SQLite format 3\0"


def files(root: Path, *, with_secrets: bool) -> Iterator[str]:
    """Name the regular files to copy, relative to the state folder."""
    for name in FILES:
        if _is_regular(root / name):
            yield name
    for folder in (*FOLDERS, *((SECRETS,) if with_secrets else ())):
        for path, folders, names in os.walk(root / folder):
            here = PurePosixPath(Path(path).relative_to(root))
            folders[:] = sorted(
                name for name in folders if str(here / name) not in RENEWED
            )
            for name in sorted(names):
                inner = str(here / name)
                if _is_wanted(inner, with_secrets) and _is_regular(root / inner):
                    yield inner


def databases(root: Path) -> list[str]:
    """Name the databases of SQLite that are to be copied."""
    return [
        inner
        for inner in files(root, with_secrets=False)
        if not is_stored(inner) and is_sqlite(root / inner)
    ]


def is_stored(inner: str) -> bool:
    """Say whether it is a file that users stored, which never changes in place."""
    return PurePosixPath(inner).is_relative_to(STORED)


def is_sqlite(path: Path) -> bool:
    """Say whether a file is a database of SQLite."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:
        return False


def _is_wanted(inner: str, with_secrets: bool) -> bool:
    if is_stored(inner):
        return True
    if inner in RENEWED or inner.endswith(BESIDE_SQLITE):
        return False
    return with_secrets or inner not in SECRET_FILES


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
