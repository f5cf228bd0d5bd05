"""The file server: what the SDK and the runner upload, streamed to disk."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

import sqlalchemy as sa
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from waylab_tracking.database import Database, tasks
from waylab_tracking.errors import ApiError, forbidden
from waylab_tracking.identity import Identity, Principal

TASK_FOLDER = re.compile(r"\.([0-9a-f]{32})$")
# Shown by a browser; everything else is downloaded and never run.
SHOWN = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
MAX_NAME_BYTES = 255
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private",
}


class FileServer:
    """Files below one folder, under the paths that uploaders chose."""

    def __init__(self, folder: Path, database: Database, identity: Identity) -> None:
        """The folder is made when needed."""
        self._folder = folder
        self._incoming = folder.with_name("incoming")
        self._database = database
        self._identity = identity

    def routes(self) -> list[Route]:
        """Give the routes below `/files`."""
        return [
            Route("/files", self._upload, methods=["POST"]),
            Route("/files/", self._upload, methods=["POST"]),
            Route("/files/", self._ping, methods=["GET"]),
            Route("/files/delete_many", self._delete_many, methods=["POST"]),
            Route("/files/{path:path}", self._download, methods=["GET", "HEAD"]),
            Route("/files/{path:path}", self._delete, methods=["DELETE"]),
        ]

    async def _ping(self, _: Request) -> Response:
        return JSONResponse({})

    async def _upload(self, request: Request) -> Response:
        self._incoming.mkdir(parents=True, exist_ok=True)
        try:
            who = await self._who(request)
            async with request.form(max_files=100, max_fields=100) as form:
                stored = []
                for name, part in form.multi_items():
                    if isinstance(part, UploadFile):
                        target = self._place(name)
                        await self._check_write(who, target)
                        await asyncio.to_thread(self._store, part.file, target)
                        stored.append(name)
        except ApiError as error:
            return _refusal(error)
        except OSError as error:
            return _refusal(ApiError(507, 0, f"The disk refuses: {error.strerror}"))
        if not stored:
            return _refusal(ApiError(400, 0, "No file in the form"))
        return JSONResponse(stored)

    async def _download(self, request: Request) -> Response:
        try:
            await self._who(request)
            path = self._find(request)
        except ApiError as error:
            return _refusal(error)
        kind = SHOWN.get(path.suffix.lower())
        return FileResponse(
            path,
            media_type=kind or "application/octet-stream",
            headers=HEADERS,
            filename=None if kind else path.name,
        )

    async def _delete(self, request: Request) -> Response:
        try:
            who = await self._who(request)
            path = self._find(request)
            await self._check_write(who, path)
        except ApiError as error:
            return _refusal(error)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return JSONResponse({})

    async def _delete_many(self, request: Request) -> Response:
        deleted, errors = {}, {}
        try:
            who = await self._who(request)
            for name in (await request.json()).get("files") or []:
                try:
                    path = self._place(str(name))
                    await self._check_write(who, path)
                    await asyncio.to_thread(path.unlink)
                    deleted[name] = name
                except (ApiError, OSError) as error:
                    errors[name] = str(error)
        except ApiError as error:
            return _refusal(error)
        except ValueError:
            return _refusal(ApiError(400, 800, "The body is no JSON"))
        return JSONResponse({"deleted": deleted, "errors": errors})

    async def _who(self, request: Request) -> Principal:
        from waylab_tracking.pages import caller  # noqa: PLC0415

        return await self._database.run(lambda db: caller(request, db, self._identity))

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

    def _store(self, source: BinaryIO, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._incoming, delete=False) as file:
            try:
                shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
                Path(file.name).replace(target)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise

    async def _check_write(self, who: Principal, target: Path) -> None:
        if who.is_operator:
            return
        parts = target.relative_to(self._folder).parts
        ids = [found[1] for part in parts if (found := TASK_FOLDER.search(part))]
        if ids:
            owner = await self._database.run(
                lambda db: db.execute(
                    sa.select(tasks.c.user).where(tasks.c.id == ids[0])
                ).scalar()
            )
            if owner is not None and owner != who.id:
                msg = f"task {ids[0]} belongs to another user"
                raise forbidden(msg)
        elif await asyncio.to_thread(target.exists):
            msg = "the file exists and is no task's: it is not replaced"
            raise forbidden(msg)


def _refusal(error: ApiError) -> Response:
    return JSONResponse({"message": error.message}, status_code=error.status)
