"""The board's application: API, pages, and how errors become answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from waylab_board import changing, nodes, own_keys, pages, pcs, reading
from waylab_board.board import Board
from waylab_board.dependencies import Caller
from waylab_board.errors import Denied
from waylab_ledger.errors import (
    Conflict,
    LeaseGone,
    LedgerError,
    NotFound,
    Refused,
    StoreUnavailable,
)

API = "/api/v1"
_ANSWERS: tuple[tuple[type[LedgerError], int, str], ...] = (
    (NotFound, 404, "not-found"),
    (LeaseGone, 410, "lease-gone"),
    (Refused, 422, "refused"),
    (Conflict, 409, "conflict"),
    (StoreUnavailable, 503, "busy"),
    (LedgerError, 500, "ledger"),
)
TAGS = [
    {"name": "reading", "description": "How things are: for everybody signed in."},
    {
        "name": "leases and tickets",
        "description": "Asking for devices, and giving them back.",
    },
    {"name": "nodes", "description": "Agents' reports, and what admins do to nodes."},
    {
        "name": "ClearML keys",
        "description": "Users' own keys, and what jobs act with for their owners.",
    },
    {"name": "about", "description": "The service itself."},
]


def application(board: Board) -> FastAPI:
    """Give the application of a board."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with board.running():
            yield

    prefix = board.settings.prefix
    app = FastAPI(
        title="Waylab board",
        description="The GPU ledger: who holds which device, and who waits for one.",
        version="1",
        lifespan=life,
        # They would be open to everybody; `openapi.json` below is not.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        openapi_tags=TAGS,
    )
    app.state.board = board
    for part in (reading, changing, nodes, own_keys, pcs):
        app.include_router(part.router, prefix=prefix + API)
    app.include_router(_about(prefix), prefix=prefix)
    app.include_router(pages.router, prefix=prefix, include_in_schema=False)
    static = StaticFiles(directory=Path(__file__).with_name("static"))
    app.mount(f"{prefix}/static", static, name="static")
    if prefix:
        app.add_api_route(prefix, _to_the_board, include_in_schema=False)
    _answer_errors(app)
    return app


def _about(prefix: str) -> APIRouter:
    router = APIRouter(tags=["about"])

    @router.get("/health")
    async def health() -> Response:
        """Say that the board answers; asks for nothing."""
        return JSONResponse({"status": "ok"})

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request, who: Caller) -> Response:
        """Describe this interface."""
        app: FastAPI = request.app
        return JSONResponse(
            get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=TAGS,
            )
        )

    return router


async def _to_the_board(request: Request) -> Response:
    return RedirectResponse(f"{request.url.path}/", status_code=302)


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(Denied)
    async def denied(request: Request, error: Denied) -> Response:
        return _refusal(error.status, error.code, error.message)

    @app.exception_handler(LedgerError)
    async def ledger(request: Request, error: LedgerError) -> Response:
        status, code = next(
            (status, code) for kind, status, code in _ANSWERS if isinstance(error, kind)
        )
        return _refusal(status, code, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _refusal(400, "invalid", f"{place}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        code = "not-found" if error.status_code == 404 else "invalid"  # noqa: PLR2004
        return _refusal(error.status_code, code, str(error.detail))


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": code, "message": message}, status_code=status)
