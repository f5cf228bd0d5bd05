"""Files in whatever fsspec reaches by a URL, such as `s3://bucket/folder`."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from waylab_tracking.errors import ApiError
from waylab_tracking.moment import new_id
from waylab_tracking.stores import Stored, pieces, replaced

logger = logging.getLogger(__name__)

PART_BYTES = 8 << 20
"""What is sent at a time."""
PIECE_BYTES = 4 << 20
"""What is asked for at a time."""
MAX_PARTS = 10_000
MAX_KEY_BYTES = 1024
# What libraries take for the version of another key: `a?versionId=1` is `a` to s3fs.
VERSION = re.compile(r"\?versionid=|#\d+$", re.IGNORECASE)
REASON_LENGTH = 300
# What a mounted disk says when it is full: not over in a moment.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
S3 = frozenset({"s3", "s3a"})
S3_OPTIONS: Mapping[str, Any] = {
    # s3fs tries again by itself, five times: both together take minutes.
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 30,
        "retries": {"total_max_attempts": 1},
        "max_pool_connections": 50,
    },
    # So many parts of an upload are in memory.
    "max_concurrency": 2,
}


class RemoteStore:
    """Files below a URL; S3 shows a file once it is whole, others as they do."""

    def __init__(self, url: str) -> None:
        """Find the library for a URL; nothing is asked of the store yet.

        Raises:
            ValueError: there is no such library, it needs another one, or its keys
                lie open on this machine.
        """
        kind, separator, place = url.partition("://")
        if not (kind and separator and place):
            msg = f"no files can be kept in {url!r}: write it as 's3://bucket/folder'"
            raise ValueError(msg)
        options = dict(S3_OPTIONS) if kind in S3 else {}
        if kind in ("file", "local"):
            options["auto_mkdir"] = True
        try:
            self._files, root = url_to_fs(
                url,
                # Listings are never asked for, and stale ones hide what others wrote.
                use_listings_cache=False,
                skip_instance_cache=True,
                **options,
            )
        except (ImportError, ValueError) as error:
            msg = f"no files can be kept in {url!r}: {error}; install waylab[s3] for S3"
            raise ValueError(msg) from error
        self._is_s3 = kind in S3
        self._root = str(root).rstrip("/")
        self._url = url
        if self._is_s3:
            _refuse_open_keys()

    def put(self, source: Path, key: str) -> None:
        """Send a file in parts; half of one is never seen in S3."""
        place = self._place(key)
        if len(place.encode()) > MAX_KEY_BYTES or VERSION.search(key):
            msg = f"The store of the files cannot keep a path such as {key[:200]!r}"
            raise ApiError(400, 0, msg)
        parts = {}
        if self._is_s3:
            part = max(PART_BYTES, -(-source.stat().st_size // MAX_PARTS))
            parts["chunksize"] = part
        # A bucket that is not there is no missing file.
        with self._answering(where_none_is=True):
            self._files.put_file(str(source), place, **parts)

    def find(self, key: str) -> Stored | None:
        """Ask what is known of the file."""
        if VERSION.search(key):
            return None
        try:
            with self._answering():
                found = self._files.info(self._place(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _stored(found) if found["type"] == "file" else None

    def read(self, key: str, stored: Stored, start: int, stop: int) -> Generator[bytes]:
        """Ask for one range after the other, of the very content that was found."""
        place = self._place(key)
        with self._answering():
            file = self._files.open(
                place, "rb", block_size=PIECE_BYTES, cache_type="none"
            )
        with file, self._answering():
            # S3 gives no part of another content than that of these details.
            found = getattr(file, "details", None) or self._files.info(place)
            if _stored(found) != stored:
                raise replaced(key)
            yield from pieces(file, start, stop, PIECE_BYTES)

    def delete(self, key: str) -> None:
        """Delete the file."""
        if self.find(key) is None:
            # Stores like S3 delete what is not there without a word.
            raise FileNotFoundError(key)
        with self._answering():
            self._files.rm_file(self._place(key))

    def problem(self) -> str:
        """Say why files cannot be written, read and deleted here; empty: they can."""
        place, content = self._place(f".waylab-check-{new_id()}"), b"a check"
        if self._is_s3:
            # It is asked by somebody who waits.
            self._files.retries = 1
        try:
            self._files.pipe_file(place, content)
            found = self._files.cat_file(place)
            self._files.rm_file(place)
        except Exception as error:
            # As in `_answering`.
            return _reason(error)
        return "" if found == content else "what was written is read back otherwise"

    def _place(self, key: str) -> str:
        return f"{self._root}/{key}"

    @contextmanager
    def _answering(self, *, where_none_is: bool = False) -> Iterator[None]:
        try:
            yield
        except ApiError:
            raise
        # Each library behind fsspec has errors of its own.
        except Exception as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            if missing and not where_none_is:
                raise
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            logger.warning("The files' store %s fails: %s", self._url, _reason(error))
            msg = "The store of the files does not answer; try again later"
            raise ApiError(503, 0, msg) from error


def _stored(found: Mapping[str, Any]) -> Stored:
    when = found.get("LastModified") or found.get("mtime") or found.get("created") or 0
    modified = when.timestamp() if isinstance(when, datetime) else float(when)
    tag = found.get("ETag") or f"{modified:f}-{found['size']:x}"
    return Stored(int(found["size"]), str(tag).strip('"'), modified)


def _reason(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [""])[0]
    # An address may hold a password.
    text = re.sub(r"//[^/@\s]*@", "//", line)
    return f"{type(error).__name__}: {text}"[:REASON_LENGTH]


def _refuse_open_keys() -> None:
    from botocore.session import Session  # noqa: PLC0415 - of S3 alone.

    path = Path(str(Session().get_config_variable("credentials_file"))).expanduser()
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & 0o077:
        msg = f"the keys in {path} are open to other accounts: chmod 600 {path}"
        raise ValueError(msg)
