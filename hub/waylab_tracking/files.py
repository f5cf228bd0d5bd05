"""The file server: what the SDK and the runner upload, streamed to disk.

Whoever is signed in may read. A file in a task's folder (`<name>.<task id>/...`) is
written, replaced and deleted by the task's owner; any other file by who made it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes

import sqlalchemy as sa
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from waylab_tracking.callers import by_header_or_cookie
from waylab_tracking.database import Database, files, tasks
from waylab_tracking.errors import ApiError, forbidden
from waylab_tracking.identity import Identity, Principal
from waylab_tracking.moment import now
from waylab_tracking.uploads import Received, receive

TASK_FOLDER = re.compile(r"\.([0-9a-f]{32})$")
MAX_NAME_BYTES = 255
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
    """Files below one folder, under the paths that uploaders chose."""

    def __init__(self, folder: Path, database: Database, identity: Identity) -> None:
        """Folders are made when needed; what a crash left half uploaded goes."""
        self._folder = folder
        self._incoming = folder.with_name("incoming")
        self._database = database
        self._identity = identity
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

    async def _ping(self, _: Request) -> Response:
        return JSONResponse({})

    async def _upload(self, request: Request) -> Response:
        who = await self._who(request)

        async def admit(name: str) -> None:
            await self._check_write(who, self._place(name))

        received = await receive(
            request.stream(),
            request.headers.get("content-type", ""),
            self._incoming,
            admit,
        )
        for one in received:
            target = self._place(one.name)
            await asyncio.to_thread(_move, one.path, target)
            await self._note(who, target, one)
        if not received:
            raise ApiError(400, 0, "No file in the form")
        return JSONResponse([one.name for one in received])

    async def _download(self, request: Request) -> Response:
        await self._who(request)
        path = await asyncio.to_thread(self._find, request)
        kind = SHOWN.get(path.suffix.lower())
        return FileResponse(
            path,
            media_type=kind or "application/octet-stream",
            headers=HEADERS,
            filename=path.name,
            content_disposition_type="inline" if kind else "attachment",
        )

    async def _delete(self, request: Request) -> Response:
        who = await self._who(request)
        path = await asyncio.to_thread(self._find, request)
        await self._remove(who, path)
        return JSONResponse({})

    async def _delete_many(self, request: Request) -> Response:
        who = await self._who(request)
        try:
            names = list((await request.json())["files"])
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(400, 800, "The body must name `files`") from error
        deleted, errors = {}, {}
        for name in map(str, names):
            try:
                await self._remove(who, self._place(name))
                deleted[name] = name
            except (ApiError, OSError) as error:
                errors[name] = str(error)
        return JSONResponse({"deleted": deleted, "errors": errors})

    async def _remove(self, who: Principal, path: Path) -> None:
        await self._check_write(who, path)
        await asyncio.to_thread(path.unlink)
        key = self._key(path)
        await self._database.run(
            lambda db: db.execute(files.delete().where(files.c.path == key))
        )

    async def _who(self, request: Request) -> Principal:
        return await self._database.run(
            lambda db: by_header_or_cookie(request, db, self._identity)
        )

    async def _note(self, who: Principal, target: Path, part: Received) -> None:
        key = self._key(target)
        row = {"user": who.id, "size_bytes": part.size_bytes, "created": now()}

        def write(db: sa.Connection) -> None:
            db.execute(files.delete().where(files.c.path == key))
            db.execute(files.insert().values(path=key, **row))

        await self._database.run(write)

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _find(self, request: Request) -> Path:
        raw = request.scope.get("raw_path", b"").split(b"?")[0]
        undecoded = raw.partition(b"/files/")[2].decode("latin-1")
        # The SDK names a part by its quoted path and asks for that very text.
        for name in (request.path_params["path"], undecoded):
            path = self._place(name)
            if path.is_file():
                return path
        raise ApiError(404, 0, f"No such file: {request.path_params['path']}")

    def _place(self, name: str) -> Path:
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
        return self._folder.joinpath(*parts)

    async def _check_write(self, who: Principal, target: Path) -> None:
        if who.is_operator:
            return
        key = self._key(target)
        ids = [
            found[1] for part in key.split("/") if (found := TASK_FOLDER.search(part))
        ]

        def owners(db: sa.Connection) -> tuple[set[str], str | None]:
            of_tasks = sa.select(tasks.c.user).where(tasks.c.id.in_(ids))
            of_file = sa.select(files.c.user).where(files.c.path == key)
            return set(db.execute(of_tasks).scalars()), db.execute(of_file).scalar()

        tasks_of, file_of = await self._database.run(owners)
        if tasks_of - {who.id}:
            raise forbidden(f"{key!r} is in the folder of another user's task")
        if not tasks_of and file_of not in (who.id, None):
            raise forbidden(f"{key!r} belongs to another user")


def _move(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        source.unlink(missing_ok=True)
        msg = "The path is taken: a folder is where the file should be, or the reverse"
        raise ApiError(400, 0, msg) from error


Handler = Callable[[Request], Awaitable[Response]]


def _answering(handler: Handler) -> Handler:
    """Turn refusals into answers."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return _refusal(error)
        except ClientDisconnect:
            return _refusal(ApiError(400, 0, "The client went away"))
        except OSError as error:
            return _refusal(ApiError(507, 0, f"The disk refuses: {error.strerror}"))

    return answer


def _refusal(error: ApiError) -> Response:
    return JSONResponse({"message": error.message}, status_code=error.status)
