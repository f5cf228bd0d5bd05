"""Where the content of uploaded files is: a folder, or a store such as S3."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from waylab_tracking.errors import ApiError

PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Stored:
    """What is known of a file without its content.

    `tag` changes with the content; `modified` is in seconds since 1970.
    """

    size_bytes: int
    tag: str
    modified: float


class FileStore(Protocol):
    """Keeps files by key: a relative path with `/`, without `..`.

    A reader sees a file as it was or as it is, never a mixture. All methods may
    block, may be called from several threads at once, and raise `ApiError` (503)
    where the store does not answer.
    """

    def put(self, source: Path, key: str) -> None:
        """Take a whole local file in, under a key that may be taken already.

        The source may be gone afterwards. Raises `ApiError` (400) where the store
        cannot keep such a key, as where a folder of others is.
        """

    def find(self, key: str) -> Stored | None:
        """Give what is known of a file; None if there is none."""

    def read(self, key: str, stored: Stored, start: int, stop: int) -> Generator[bytes]:
        """Give the bytes from `start` up to `stop` of the file that `find` gave.

        In pieces, none of which is more than a few MiB. Raises `FileNotFoundError`
        if it is gone, and `ApiError` if it was replaced meanwhile.
        """

    def delete(self, key: str) -> None:
        """Delete a file; FileNotFoundError if there is none."""

    def problem(self) -> str:
        """Say why files cannot be put, read and deleted here; empty: they can."""


class FolderStore:
    """Files below a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        """Folders are made when needed."""
        self._folder = folder

    def put(self, source: Path, key: str) -> None:
        """Move a file to its place: in an instant, on the same disk."""
        target = self._folder / key
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # Whoever has the old file open, or linked, keeps it as it is.
            source.replace(target)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            msg = "The path is taken: a folder is where the file should be, or reverse"
            raise ApiError(400, 0, msg) from error

    def find(self, key: str) -> Stored | None:
        """Look at the file."""
        path = self._folder / key
        return _stored(path.stat()) if path.is_file() else None

    def read(self, key: str, stored: Stored, start: int, stop: int) -> Generator[bytes]:
        """Read the file that is there at the first piece, whoever replaces it."""
        with (self._folder / key).open("rb") as file:
            if _stored(os.fstat(file.fileno())) != stored:
                raise replaced(key)
            yield from pieces(file, start, stop, PIECE_BYTES)

    def delete(self, key: str) -> None:
        """Delete the file; its folder stays."""
        (self._folder / key).unlink()

    def problem(self) -> str:
        """Have none of its own: the state folder's are told with the first use."""
        return ""


def open_store(url: str, folder: Path) -> FileStore:
    """Give the store that a URL names; without one, a folder.

    Raises:
        ValueError: it names none.
    """
    if not url:
        return FolderStore(folder)
    # What it needs is not everywhere, and takes half a second.
    try:
        from waylab_tracking.remote_store import RemoteStore  # noqa: PLC0415
    except ImportError as error:
        msg = f"no files can be kept in {url!r}: {error}; install waylab[s3]"
        raise ValueError(msg) from error
    return RemoteStore(url)


def pieces(file: IO[bytes], start: int, stop: int, size: int) -> Generator[bytes]:
    """Read a part of a file; what is missing of it ends with the file."""
    file.seek(start)
    left = stop - start
    while left > 0 and (piece := file.read(min(size, left))):
        left -= len(piece)
        yield piece


def replaced(key: str) -> ApiError:
    """Tell that a file is not any more what was found."""
    return ApiError(503, 0, f"{key} is being replaced; ask again")


def _stored(found: os.stat_result) -> Stored:
    tag = f"{found.st_mtime_ns:x}-{found.st_ino:x}-{found.st_size:x}"
    return Stored(found.st_size, tag, found.st_mtime)
