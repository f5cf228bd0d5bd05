"""Answers with a stored file, whole or a range of it (RFC 9110, 14)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Generator
from email.utils import formatdate
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from waylab_tracking.stores import FileStore, Stored

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


async def answer(  # noqa: PLR0913, PLR0917 - the parts of an answer.
    request: Request,
    store: FileStore,
    key: str,
    stored: Stored,
    media_type: str,
    headers: dict[str, str],
) -> Response:
    """Answer a GET or a HEAD; several ranges at once are answered with the whole.

    Raises:
        ApiError: the store does not give the first bytes.
        FileNotFoundError: the file is gone.
    """
    size, tag = stored.size_bytes, f'"{stored.tag}"'
    dated = formatdate(stored.modified, usegmt=True)
    headers = {**headers, "Accept-Ranges": "bytes", "ETag": tag, "Last-Modified": dated}
    asked = request.headers.get("range", "")
    if request.headers.get("if-range", tag) not in (tag, dated):
        asked = ""
    span = wanted(asked, size)
    if span is None:
        headers["Content-Range"] = f"bytes */{size}"
        return Response(status_code=416, headers=headers)
    start, stop = span
    partial = (start, stop) != (0, size)
    headers["Content-Length"] = str(stop - start)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 206 if partial else 200
    if request.method == "HEAD":
        return Response(None, status, headers, media_type)
    pieces = store.read(key, stored, start, stop)
    # What goes wrong with the first one can still be told.
    first = await run_in_threadpool(next, pieces, b"")
    return StreamingResponse(_sent(first, pieces), status, headers, media_type)


async def _sent(first: bytes, pieces: Generator[bytes]) -> AsyncIterator[bytes]:
    piece = first
    try:
        while piece:
            yield piece
            piece = await run_in_threadpool(next, pieces, b"")
    finally:
        # Also where the client is gone.
        pieces.close()


def wanted(header: str, size: int) -> tuple[int, int] | None:
    """Give the first byte to send, and the one after the last; None: there is none."""
    found = RANGE.fullmatch(header.strip())
    if found is None or found[0].lower() == "bytes=-":
        return 0, size
    first, last = found[1], found[2]
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else None
    start = int(first)
    stop = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return 0, size
    return (start, stop) if start < stop else None


def disposition(name: str, *, shown: bool) -> str:
    """Give the header that names a file for who saves it."""
    kind = "inline" if shown else "attachment"
    quoted = quote(name)
    if quoted != name:
        return f"{kind}; filename*=utf-8''{quoted}"
    return f'{kind}; filename="{name}"'
