"""The file server: what the SDK and the runner upload, streamed to disk.

Where the content is then kept, is a `FileStore`'s matter.

A file in a task's folder (`<name>.<task id>/...`) is read by who sees the task; any
other one by who made it, and by who sees the project whose name its path begins with,
or by everybody if that names none. It is written, replaced and deleted by the task's
owner, or by who made it. What a user keeps here may be limited.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes
from weakref import WeakValueDictionary

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waylab_tracking import byte_ranges, faults, file_rights
from waylab_tracking.database import Database
from waylab_tracking.entrances import caller, refusal
from waylab_tracking.errors import ApiError
from waylab_tracking.identity import Principal
from waylab_tracking.stores import FileStore, Stored
from waylab_tracking.uploads import Meter, Received, receive

logger = logging.getLogger(__name__)

FORM_BYTES = 64 * 1024
MAX_NAME_BYTES = 255
# A store far away may take minutes for one, and others wait for threads, too.
PUTS_AT_ONCE = 8
UNAVAILABLE = 503
PLAIN = "text/plain; charset=utf-8"
# Shown by a browser, in a sandbox without scripts; everything else is downloaded.
SHOWN = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".txt": PLAIN,
    ".log": PLAIN,
    ".csv": PLAIN,
    ".md": PLAIN,
    ".yaml": PLAIN,
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src data:; font-src data:; media-src data:;"
        " style-src 'unsafe-inline'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


class FileServer:
    """Files of one store, under the paths that uploaders chose."""

    def __init__(
        self, store: FileStore, incoming: Path, database: Database, quota_bytes: int
    ) -> None:
        """What a crash left half uploaded in the folder `incoming` goes.

        `quota_bytes`: what each user may keep; 0 for no limit.
        """
        self._store = store
        self._incoming = incoming
        self._database = database
        self._quota_bytes = quota_bytes
        self._putting = asyncio.Semaphore(PUTS_AT_ONCE)
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._incoming.iterdir():
            left.unlink()

    def routes(self) -> list[Route]:
        """Give the routes below `/files`."""
        upload = _answering(self._upload)
        return [
            Route("/files", upload, methods=["POST"]),
            Route("/files/", upload, methods=["POST"]),
            Route("/files/", self._ping, methods=["GET"]),
            Route(
                "/files/delete_many", _answering(self._delete_many), methods=["POST"]
            ),
            Route(
                "/files/{path:path}",
                _answering(self._download),
                methods=["GET", "HEAD"],
            ),
            Route("/files/{path:path}", _answering(self._delete), methods=["DELETE"]),
        ]

    async def discard(self, key: str) -> None:
        """Delete a file that is nobody's any more, if it still is.

        Raises:
            ApiError: the store does not answer.
            OSError: the disk refuses.
        """
        async with self._change(key):
            if not await self._database.read(
                lambda db: file_rights.is_abandoned(db, key)
            ):
                return
            with suppress(FileNotFoundError):
                await run_in_threadpool(self._store.delete, key)
            await self._database.run(lambda db: file_rights.put_back(db, key, None))

    async def _ping(self, _: Request) -> Response:
        return JSONResponse({})

    async def _upload(self, request: Request) -> Response:
        who = caller(request)
        declared = request.headers.get("content-length", "")
        declared_bytes = int(declared) if declared.isdecimal() else 0

        async def admit(name: str) -> Meter:
            return await self._admit(who, key_of(name), declared_bytes)

        received = await receive(
            request.stream(),
            request.headers.get("content-type", ""),
            self._incoming,
            admit,
        )
        try:
            for one in received:
                await self._keep(who, key_of(one.name), one)
        finally:
            for one in received:
                await asyncio.to_thread(one.path.unlink, missing_ok=True)
        if not received:
            raise ApiError(400, 0, "No file in the form")
        return JSONResponse([one.name for one in received])

    async def _admit(self, who: Principal, key: str, declared_bytes: int) -> Meter:
        quota = self._quota_bytes

        def work(db: sa.Connection) -> int:
            file_rights.check_write(db, who, key)
            return file_rights.used_bytes(db, who, key) if quota else 0

        used = await self._database.read(work)

        def meter(size: int) -> None:
            file_rights.require_room(who, used, size, quota)

        # Refused before it is taken in; what surrounds the file counts for nothing.
        meter(max(0, declared_bytes - FORM_BYTES))
        return meter

    async def _download(self, request: Request) -> Response:
        key, stored = await run_in_threadpool(self._find, request)
        who = caller(request)
        if not await self._database.read(lambda db: file_rights.may_read(db, who, key)):
            raise ApiError(404, 0, f"No such file: {key}")
        path = PurePosixPath(key)
        kind = SHOWN.get(path.suffix.lower())
        named = byte_ranges.disposition(path.name, shown=kind is not None)
        return await byte_ranges.answer(
            request,
            self._store,
            key,
            stored,
            kind or "application/octet-stream",
            {**HEADERS, "Content-Disposition": named},
        )

    async def _delete(self, request: Request) -> Response:
        who = caller(request)
        key, _ = await run_in_threadpool(self._find, request)
        await self._remove(who, key)
        return JSONResponse({})

    async def _delete_many(self, request: Request) -> Response:
        who = caller(request)
        try:
            names = list((await request.json())["files"])
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(400, 800, "The body must name `files`") from error
        deleted, errors = {}, {}
        # Halves of characters have no bytes: neither a path nor an answer can hold one.
        for name in (str(one).encode("utf-8", "replace").decode() for one in names):
            try:
                await self._remove(who, key_of(name))
                deleted[name] = name
            except FileNotFoundError:
                errors[name] = "No such file"
            except (ApiError, OSError) as error:
                if getattr(error, "status", 0) == UNAVAILABLE:
                    raise
                errors[name] = str(error)
        return JSONResponse({"deleted": deleted, "errors": errors})

    async def _remove(self, who: Principal, key: str) -> None:
        async with self._change(key):
            await self._remove_alone(who, key)

    async def _remove_alone(self, who: Principal, key: str) -> None:
        await self._database.run(lambda db: file_rights.check_write(db, who, key))
        missing: FileNotFoundError | None = None
        try:
            await run_in_threadpool(self._store.delete, key)
        except FileNotFoundError as error:
            missing = error
        # Nor does what the store lost count any more.
        await self._database.run(lambda db: file_rights.put_back(db, key, None))
        if missing is not None:
            raise missing

    async def _keep(self, who: Principal, key: str, part: Received) -> None:
        async with self._change(key):
            await self._keep_alone(who, key, part)

    async def _keep_alone(self, who: Principal, key: str, part: Received) -> None:
        size, quota = part.size_bytes, self._quota_bytes

        def note(db: sa.Connection) -> file_rights.Noted | None:
            # Somebody else's may be there since this one was let in.
            file_rights.check_write(db, who, key)
            return file_rights.note(db, who, key, size, quota)

        before = await self._database.run(note)
        try:
            async with self._putting:
                await run_in_threadpool(self._store.put, part.path, key)
        except (ApiError, OSError):
            await self._database.run(lambda db: file_rights.put_back(db, key, before))
            raise

    def _change(self, key: str) -> asyncio.Lock:
        """Have what is noted of a file and its content changed by one at a time."""
        return self._changing.setdefault(key, asyncio.Lock())

    def _find(self, request: Request) -> tuple[str, Stored]:
        raw = request.scope.get("raw_path", b"").split(b"?")[0]
        undecoded = raw.partition(b"/files/")[2].decode("latin-1")
        # The SDK names a part by its quoted path and asks for that very text.
        for name in dict.fromkeys((request.path_params["path"], undecoded)):
            key = key_of(name)
            if (stored := self._store.find(key)) is not None:
                return key, stored
        raise ApiError(404, 0, f"No such file: {request.path_params['path']}")


def key_of(name: str) -> str:
    """Give the key of the path that a client chose (400 for what is none)."""
    decoded = unquote_to_bytes(name)
    parts = PurePosixPath(name.lstrip("/")).parts
    if (
        not parts
        or "\0" in name
        or b"\0" in decoded
        or b".." in decoded.split(b"/")
        or "\\" in name
        or any(len(one.encode()) > MAX_NAME_BYTES for one in parts)
    ):
        raise ApiError(400, 0, f"Not a path for a file: {name[:200]!r}")
    return "/".join(parts)


Handler = Callable[[Request], Awaitable[Response]]


def _answering(handler: Handler) -> Handler:
    """Turn refusals into answers."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return refusal(error)
        except ClientDisconnect:
            return refusal(ApiError(400, 0, "The client went away"))
        except sa.exc.DBAPIError as error:
            logger.exception("The database refused a request for files")
            status, message = faults.told(error)
            return refusal(ApiError(status, 0, message))
        except FileNotFoundError:
            return refusal(ApiError(404, 0, "No such file"))
        except OSError as error:
            status = 400 if error.errno == errno.ENAMETOOLONG else 507
            return refusal(ApiError(status, 0, f"The disk refuses: {error.strerror}"))

    return answer
