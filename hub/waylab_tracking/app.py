"""The ASGI application: the API's one door, the file server and the pages."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from waylab_tracking import (
    faults,
    journal,
    log_text,
    moving,
    openapi,
    services,
    sharing,
)
from waylab_tracking.callers import PAGE, by_header, by_page
from waylab_tracking.database import Database
from waylab_tracking.entrances import Guard
from waylab_tracking.errors import ApiError, validation
from waylab_tracking.fencing import Origin
from waylab_tracking.files import FileServer
from waylab_tracking.identity import Identity, Principal
from waylab_tracking.keeper import Keeper
from waylab_tracking.links import Links
from waylab_tracking.moment import new_id
from waylab_tracking.pages import Pages
from waylab_tracking.pulse import Pulse
from waylab_tracking.reading import only_reads
from waylab_tracking.registry import ENDPOINTS, Call, admit, dispatch
from waylab_tracking.settings import TrackingSettings
from waylab_tracking.stores import open_store
from waylab_tracking.strict import drop_extensions, refuse_extension
from waylab_tracking.sweeper import Sweeper
from waylab_tracking.thinned import Thinned

logger = logging.getLogger(__name__)


class _Endpoint(Convertor[str]):
    regex = r"[a-z_]+\.[a-z0-9_]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Version(_Endpoint):
    regex = r"[0-9.]+"


register_url_convertor("endpoint", _Endpoint())
register_url_convertor("version", _Version())

METHODS = ["GET", "POST", "PUT"]
DOWNLOAD = "events.download_task_log"
# Hyper-datasets: the SDK has their schemas, an open ClearML Server does not have them.
ENTERPRISE = frozenset({"datasets", "dataviews", "frames"})
MAX_BODY_BYTES = 64 * 1024 * 1024


class Api:
    """Answers `/{service}.{action}`, whatever the version in front and the method."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        links: Links,
        pulse: Pulse,
        settings: TrackingSettings,
    ) -> None:
        """Nothing is done before the first request."""
        self._strict = settings.strict
        # An open server has no rules.
        self._rules = {} if settings.strict else settings.on_lost
        self._database = database
        self._identity = identity
        self._links = links
        self._pulse = pulse
        self._thinned = Thinned()
        self._retention = settings.retention

    async def answer(self, request: Request) -> Response:
        """Answer one call in ClearML's envelope."""
        name = request.path_params["endpoint"]
        version = request.path_params.get("version") or "2.23"
        status, subcode, message = 200, 0, "OK"
        data: dict[str, Any] = {}
        try:
            if name != "debug.ping":
                data = await self._call(request, name)
        except ApiError as error:
            status, subcode, message = error.status, error.subcode, error.message
        except sa.exc.IntegrityError as error:
            logger.warning("%s collided: %s", name, error.orig)
            status, subcode = 400, 801
            message = "Value combination already exists"
        except sa.exc.DBAPIError as error:
            logger.exception("The database refused %s", name)
            status, message = faults.told(error)
        except Exception:
            # The clients read envelopes only; what went wrong is for the log.
            logger.exception("%s failed", name)
            status, subcode, message = 500, 0, f"{name} failed: the log says why"
        if name == DOWNLOAD and data:
            return self._download(data, request)
        meta = {
            "id": new_id(),
            "trx": new_id(),
            "endpoint": {
                "name": name,
                "requested_version": version,
                "actual_version": version,
            },
            "result_code": status,
            "result_subcode": subcode,
            "result_msg": message,
            "error_stack": None,
            "error_data": {},
        }
        body = json.dumps({"meta": meta, "data": data}, separators=(",", ":"))
        return Response(
            self._links.outward(body.encode(), request),
            status_code=status,
            media_type="application/json",
        )

    def _download(self, wanted: dict[str, Any], request: Request) -> Response:
        """Give a log as text, read a portion at a time while it is sent."""

        def read(after: int | None, db: sa.Connection) -> list[journal.Shown]:
            size = log_text.PORTION
            return journal.by_number(db, wanted["task"], after, size, down=False)

        async def portions() -> AsyncIterator[bytes]:
            after: int | None = None
            while rows := await self._database.read(partial(read, after)):
                after = rows[-1][1]
                text = "".join(log_text.written(rows, wanted["kind"], wanted["form"]))
                yield self._links.outward(text.encode("utf-8", "replace"), request)

        named = f'attachment; filename="task_{wanted["task"]}.log"'
        return StreamingResponse(
            portions(),
            media_type="text/plain; charset=utf-8",
            headers={
                "Content-Disposition": named,
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def _call(self, request: Request, name: str) -> dict[str, Any]:
        if self._strict:
            refuse_extension(name, request)
        if name not in ENDPOINTS:
            paid = name.partition(".")[0] in ENTERPRISE
            why = "is of the enterprise server only" if paid else "is no endpoint"
            logger.warning("%s %s", name, why)
            raise ApiError(404, 0, f"Unable to find endpoint {name}: it {why}")
        who = await self._caller(request, name)
        body, lines, digest = await self._body(request)
        address = request.client.host if request.client else ""
        origin = Origin() if self._strict else Origin.of(request)
        if self._strict:
            drop_extensions(body)

        def work(db: sa.Connection) -> dict[str, Any]:
            call = Call(db, who, body, self._identity, lines, digest, address)
            heard = replace(
                call,
                origin=origin,
                pulse=self._pulse,
                rules=self._rules,
                thinned=self._thinned,
                retention=self._retention,
            )
            return dispatch(name, heard)

        if only_reads(name):
            return await self._database.read(work)
        return await self._database.run(work)

    async def _caller(self, request: Request, name: str) -> Principal:
        """Tell who calls and admit the role, before anything of the body is kept."""

        def work(db: sa.Connection) -> Principal:
            if PAGE in request.headers:
                who = by_page(request, db, self._identity, name)
            else:
                who = by_header(request, db, self._identity, keys=name == "auth.login")
            admit(name, who)
            return who

        try:
            return await self._database.read(work)
        except ApiError:
            # A client that still sends would not hear the refusal.
            await _discard(request)
            raise

    async def _body(
        self, request: Request
    ) -> tuple[dict[str, Any], tuple[dict[str, Any], ...], str]:
        raw = self._links.inward(await _read(request), request)
        kind = request.headers.get("content-type", "")
        try:
            if "json-lines" in kind:
                rows = _parse_lines(raw)
                if not all(isinstance(row, dict) for row in rows):
                    msg = "every line must be an object"
                    raise validation(msg)
                return {}, tuple(rows), hashlib.sha256(raw).hexdigest()
            body = _parse(raw) if raw.strip() else dict(request.query_params)
        except ValueError as error:
            msg = f"the body is no JSON: {error}"
            raise validation(msg) from error
        if not isinstance(body, dict):
            msg = "the body must be an object"
            raise validation(msg)
        # The SDK leaks this attribute of its own into every body.
        body.pop("method", None)
        return body, (), ""


async def _read(request: Request) -> bytes:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > MAX_BODY_BYTES:
            raise ApiError(413, 0, f"The request is over {MAX_BODY_BYTES} bytes")
    return bytes(raw)


async def _discard(request: Request) -> None:
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            return


def _parse(text: bytes) -> Any:
    # Python's own dialect: NaN would make answers that browsers cannot read.
    value = json.loads(text, parse_constant=lambda _: None)
    halves = b"\\ud" in text or b"\\uD" in text
    return _whole_characters(value) if halves else value


def _parse_lines(raw: bytes) -> list[Any]:
    rows = [row for row in raw.split(b"\n") if row.strip()]
    try:
        # One pass over all of them takes half the time.
        together = _parse(b"[%b]" % b",".join(rows))
    except ValueError:
        together = []
    whole = len(together) == len(rows)
    return list(together) if whole else [_parse(row) for row in rows]


def _whole_characters(value: Any) -> Any:
    """Replace halves of characters, such as printed bytes that are no text become."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {
            _whole_characters(name): _whole_characters(one)
            for name, one in value.items()
        }
    return value


class Prefix:
    """Takes the proxy's path off, so that all answers at the root and below it."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        """`prefix` such as `/services/clearml`; empty for none."""
        self._app = app
        self._prefix = prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        prefix = self._prefix
        path = scope.get("path", "")
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            raw = scope.get("raw_path", path.encode())
            scope = {
                **scope,
                "path": path[len(prefix) :] or "/",
                "raw_path": raw[len(prefix) :] or b"/",
                "waylab_prefix": prefix,
            }
        await self._app(scope, receive, send)


class Server:
    """Everything of one server."""

    def __init__(self, settings: TrackingSettings) -> None:
        """Open the state folder."""
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.identity = Identity(
            settings.state,
            settings.system_key_file,
            agents_get_tokens=settings.agents_get_tokens,
        )
        moving.refuse_left_behind(settings)
        self.database = Database(settings.database)
        links = Links(settings)
        pulse = Pulse()
        self._groups = settings.groups
        self._api = Api(self.database, self.identity, links, pulse, settings)
        self._sweeper = Sweeper(self.database, pulse, settings)
        self._files = FileServer(
            open_store(settings.files_store, settings.state / "files"),
            settings.state / "incoming",
            self.database,
            settings.files_quota_bytes,
        )
        self._keeper = Keeper(
            self.database, self._files, self.identity, settings.retention
        )
        self._pages = Pages(settings, self.database, self.identity, links)

    def app(self, prefix: str) -> ASGIApp:
        """Give the application."""
        routes = list(map(self.guarded, self.routes()))
        app = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={HTTPStatus.NOT_FOUND: self._pages.missing},
        )
        return Prefix(app, prefix)

    def routes(self) -> list[Route]:
        """Give all routes, before anybody is kept out of them."""
        name = r"{endpoint:endpoint}"
        return [
            openapi.route(),
            Route(f"/v{{version:version}}/{name}", self._api.answer, methods=METHODS),
            Route(f"/{name}", self._api.answer, methods=METHODS),
            *self._files.routes(),
            *self._pages.routes(),
        ]

    def guarded(self, route: Route) -> Route:
        """Give a route behind its entrance.

        Raises:
            LookupError: the table says nothing of it.
        """
        return Guard(self.database, self.identity, self._pages).route(route)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self.database.run(services.queues.create_built_in)
        if self._groups is not None:
            await self.database.run(partial(sharing.take_groups, groups=self._groups))
        rounds = [
            asyncio.create_task(one.run()) for one in (self._sweeper, self._keeper)
        ]
        try:
            yield
        finally:
            for one in rounds:
                one.cancel()
            await asyncio.to_thread(self.database.close)
