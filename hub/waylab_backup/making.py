"""Making a backup of a site that may be running."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from waylab_backup import contents, postgres, sqlite
from waylab_backup.errors import BackupError
from waylab_backup.manifest import NAME, Entry, Kind, Manifest, hash_of, made

DUMPS = "postgres"
# Another disk, one that knows no links, or one that ran out of them for this file.
NO_LINK = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}

Say = Callable[[str], None]


def make(  # noqa: PLR0913 - what a backup is of, and how it is to be.
    root: Path,
    folder: Path,
    now: datetime,
    *,
    urls: Mapping[str, str],
    with_secrets: bool = True,
    link: bool = True,
    elsewhere: str = "",
    say: Say,
) -> Manifest:
    """Copy a site's state into a new folder, whatever is written meanwhile.

    Databases come first, each as it was at one moment: files that they speak of are
    there when those are copied, unless they were deleted in between, which the
    manifest tells. `urls` are databases in PostgreSQL by name. With `link`, files
    that never change are linked where the folder is on the same disk. `elsewhere` is
    the store that has users' files instead of the state folder, for the manifest.

    Raises:
        BackupError: the folder is not new, or is in the state folder.
        DatabaseError: a database cannot be copied.
    """
    _refuse(root, folder)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        seen = set(contents.files(root, with_secrets=with_secrets))
        databases = contents.databases(root)
        entries = []
        for inner in databases:
            say(f"database {inner}")
            sqlite.copy(root / inner, _place(folder, inner))
            entries.append(_entry(folder, inner, Kind.SQLITE, 0o600))
        for name, url in urls.items():
            say(f"database of the {name}, by pg_dump")
            inner = dump_path(name)
            postgres.dump(name, url, _place(folder, inner))
            entries.append(_entry(folder, inner, Kind.POSTGRES, 0o600))
        say("files")
        for inner in contents.files(root, with_secrets=with_secrets):
            seen.add(inner)
            if inner in databases:
                continue
            if entry := _copied(root, folder, inner, link=link):
                entries.append(entry)
        gone = seen - {entry.path for entry in entries}
        manifest = made(
            waylab=version("waylab"),
            made_at=now,
            root=root,
            with_secrets=with_secrets,
            entries=entries,
            gone=sorted(gone),
            elsewhere=elsewhere,
        )
        # What is called a backup is on the disk.
        os.sync()
        _write_last(folder / NAME, manifest.model_dump_json(indent=1))
    return manifest


def dump_path(name: str) -> str:
    """Give the place of a database of PostgreSQL in a backup."""
    return f"{DUMPS}/{name}.dump"


def _refuse(root: Path, folder: Path) -> None:
    if folder.resolve().is_relative_to(root.resolve()):
        msg = f"{folder} is in the state folder {root}: name a folder outside of it."
        raise BackupError(msg)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} is not empty: name a folder that is not there yet."
        raise BackupError(msg)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = (
            f"The backup in {folder} cannot be written: {error.strerror} "
            f"({error.filename}). It has no {NAME} and is of no use: delete it."
        )
        raise BackupError(msg) from error


def _copied(root: Path, folder: Path, inner: str, *, link: bool) -> Entry | None:
    source, target = root / inner, _place(folder, inner)
    mode = 0o600
    try:
        mode = stat.S_IMODE(source.lstat().st_mode)
        if not (link and contents.is_stored(inner) and _linked(source, target)):
            with source.open("rb") as reading, target.open("xb") as writing:
                shutil.copyfileobj(reading, writing, 1 << 20)
            target.chmod(0o600)
    except FileNotFoundError:
        if source.exists():
            raise
        target.unlink(missing_ok=True)
        return None
    return _entry(folder, inner, Kind.FILE, mode)


def _linked(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        return False
    return True


def _place(folder: Path, inner: str) -> Path:
    place = folder / inner
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


def _entry(folder: Path, inner: str, kind: Kind, mode: int) -> Entry:
    place = folder / inner
    return Entry(
        path=inner,
        kind=kind,
        size_bytes=place.stat().st_size,
        sha256=hash_of(place),
        mode=mode,
    )


def _write_last(path: Path, text: str) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
