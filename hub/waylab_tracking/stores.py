"""Where the content of uploaded files is: a folder, or a store such as S3."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from waylab_tracking.errors import ApiError

logger = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Stored:
    """What is known of a file without its content; `tag` changes with the content."""

    size_bytes: int
    tag: str


class FileStore(Protocol):
    """Keeps files by key: a relative path with `/`, without `..`.

    A reader sees a file as it was or as it is, never a mixture. All methods may
    block, and raise `ApiError` where the store does not answer.
    """

    def put(self, source: Path, key: str) -> None:
        """Take a whole local file in, under a key that may be taken already.

        The source is gone afterwards, also where this is refused: 400 where the key
        is a folder of other keys, in stores that know folders.
        """

    def find(self, key: str) -> Stored | None:
        """Give what is known of a file; None if there is none."""

    def read(self, key: str, start: int, stop: int) -> Iterator[bytes]:
        """Give the bytes from `start` up to `stop` in pieces; FileNotFoundError."""

    def delete(self, key: str) -> None:
        """Delete a file; FileNotFoundError if there is none."""


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
        finally:
            source.unlink(missing_ok=True)

    def find(self, key: str) -> Stored | None:
        """Look at the file."""
        path = self._folder / key
        if not path.is_file():
            return None
        found = path.stat()
        return Stored(found.st_size, _folder_tag(found))

    def read(self, key: str, start: int, stop: int) -> Iterator[bytes]:
        """Read the file that is there at the first piece, whoever replaces it."""
        with (self._folder / key).open("rb") as file:
            yield from _pieces(file, start, stop)

    def delete(self, key: str) -> None:
        """Delete the file; its folder stays."""
        (self._folder / key).unlink()


class RemoteStore:
    """Files in whatever fsspec reaches by a URL, such as `s3://bucket/folder`."""

    def __init__(self, url: str) -> None:
        """Find the library for a URL; nothing is asked of the store yet.

        Raises:
            ValueError: there is no such library, or it needs another one.
        """
        try:
            from fsspec.core import url_to_fs  # noqa: PLC0415 - 0.1 s of imports.

            # Listings are never asked for, and stale ones hide what others wrote.
            self._files, root = url_to_fs(
                url, use_listings_cache=False, auto_mkdir=True
            )
        except (ImportError, ValueError) as error:
            msg = f"no files can be kept in {url!r}: {error}; install waylab[s3] for S3"
            raise ValueError(msg) from error
        self._root = str(root).rstrip("/")
        self._url = url

    def put(self, source: Path, key: str) -> None:
        """Send a file; S3 shows it once it is whole, others as their library does."""
        try:
            with self._answering():
                self._files.put_file(str(source), self._place(key))
        finally:
            source.unlink(missing_ok=True)

    def find(self, key: str) -> Stored | None:
        """Ask for the file's size."""
        with self._answering():
            try:
                found = self._files.info(self._place(key))
            except (FileNotFoundError, NotADirectoryError):
                return None
        if found["type"] != "file":
            return None
        tag = found.get("ETag") or f"{found.get('mtime') or found.get('created')}"
        return Stored(int(found["size"]), str(tag).strip('"'))

    def read(self, key: str, start: int, stop: int) -> Iterator[bytes]:
        """Ask for one range after the other."""
        with (
            self._answering(),
            self._files.open(
                self._place(key), "rb", block_size=PIECE_BYTES, cache_type="readahead"
            ) as file,
        ):
            yield from _pieces(file, start, stop)

    def delete(self, key: str) -> None:
        """Delete the file."""
        if self.find(key) is None:
            # Stores like S3 delete what is not there without a word.
            raise FileNotFoundError(key)
        with self._answering():
            self._files.rm_file(self._place(key))

    def _place(self, key: str) -> str:
        return f"{self._root}/{key}"

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (ApiError, FileNotFoundError, NotADirectoryError):
            raise
        # Each library behind fsspec has errors of its own.
        except Exception as error:
            logger.exception("The files' store %s does not answer", self._url)
            msg = "The store of the files does not answer; try again later"
            raise ApiError(503, 0, msg) from error


def open_store(url: str, folder: Path) -> FileStore:
    """Give the store that a URL names; without one, a folder.

    Raises:
        ValueError: it names none.
    """
    return RemoteStore(url) if url else FolderStore(folder)


def _pieces(file: Any, start: int, stop: int) -> Iterator[bytes]:
    file.seek(start)
    left = stop - start
    while left > 0 and (piece := file.read(min(PIECE_BYTES, left))):
        left -= len(piece)
        yield piece


def _folder_tag(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_ino:x}-{found.st_size:x}"
