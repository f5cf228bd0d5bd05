"""Answers with a stored file, whole or a range of it (RFC 9110, 14)."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from waylab_tracking.stores import FileStore, Stored

RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)


def answer(  # noqa: PLR0913, PLR0917 - the parts of an answer.
    request: Request,
    store: FileStore,
    key: str,
    stored: Stored,
    media_type: str,
    headers: dict[str, str],
) -> Response:
    """Answer a GET or a HEAD; several ranges at once are answered with the whole."""
    size, tag = stored.size_bytes, f'"{stored.tag}"'
    headers = {**headers, "Accept-Ranges": "bytes", "ETag": tag}
    asked = request.headers.get("range", "")
    if request.headers.get("if-range", tag) != tag:
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
    pieces = iterate_in_threadpool(store.read(key, start, stop))
    return StreamingResponse(pieces, status, headers, media_type)


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
