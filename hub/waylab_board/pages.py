"""The pages, in the hub's own look: the board, the waiting page, the nodes' tokens."""

from __future__ import annotations

import json
import sys
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from starlette.responses import HTMLResponse, RedirectResponse, Response

from waylab_board.board import Board
from waylab_board.choices import Choice, choices
from waylab_board.dependencies import BoardDep
from waylab_board.errors import Denied, SignInError, bad_request, forbidden
from waylab_board.principals import Principal
from waylab_ledger.errors import NotFound
from waylab_ledger.values import HolderKind
from waylab_ledger.wire import encode

router = APIRouter()
_HUB_TEMPLATES = Path(sys.prefix) / "share" / "jupyterhub" / "templates"
HEADERS = {
    # The hub's own pages have scripts in them.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


@router.get("/")
async def the_board(request: Request, board: BoardDep) -> Response:
    """Show every node and device, who holds it, and the line."""
    return await _show(request, board, "board.html", {})


@router.get("/wait/{ticket}")
async def waiting(request: Request, board: BoardDep, ticket: str) -> Response:
    """Show a place in the line to whoever waits in it."""

    async def values(who: Principal) -> dict[str, Any]:
        try:
            found = await board.books.read(
                "ticket", lambda ledger, _: ledger.ticket(ticket)
            )
        except NotFound as error:
            raise Denied(404, "not-found", "There is no such ticket.") from error
        wanted = found.request
        if not who.may_end(wanted.user):
            msg = f"This is {wanted.user}'s place in the line."
            raise forbidden(msg)
        snapshot = await board.books.snapshot()
        user, _, server = wanted.holder.text.partition(":")[2].partition("/")
        lab = wanted.holder.kind is HolderKind.LAB
        return {
            "ticket": ticket,
            "lab": {"user": user, "server": server} if lab else None,
            "choices": encode(
                choices(board.site, snapshot, wanted.selector), list[Choice]
            ),
        }

    return await _show(request, board, "wait.html", values)


@router.get("/nodes")
async def tokens(request: Request, board: BoardDep) -> Response:
    """Show admins the nodes' tokens and invitations."""

    async def values(who: Principal) -> dict[str, Any]:
        who.require_admin("see the nodes' tokens")
        return {"site_nodes": [node.name for node in board.site.nodes]}

    return await _show(request, board, "nodes.html", values)


@router.get("/clearml")
async def my_clearml(request: Request, board: BoardDep) -> Response:
    """Show a user's ClearML keys and take new ones."""

    async def values(who: Principal) -> dict[str, Any]:
        if board.keyring is None:
            msg = "This site has its own ClearML: the hub makes everybody's keys."
            raise Denied(404, "not-found", msg)
        return {"clearml_web_url": str(board.site.tracking.web_url)}

    return await _show(request, board, "clearml.html", values)


@router.get("/pc")
async def my_pc(request: Request, board: BoardDep) -> Response:
    """Show the key pairs of a user's PCs, and make new ones."""

    async def values(who: Principal) -> dict[str, Any]:
        if board.keyring is not None:
            msg = (
                "A PC speaks to this site's ClearML Server itself: make keys there, "
                "under Settings, Workspace, App Credentials. Its address is "
                f"{board.site.tracking.web_url}."
            )
            raise Denied(404, "not-found", msg)
        return {}

    return await _show(request, board, "pc.html", values)


@router.get("/sign-in")
async def sign_in(
    request: Request, board: BoardDep, next_: Annotated[str, Query(alias="next")] = ""
) -> Response:
    """Sign in and go on to one of the board's addresses."""
    wanted = next_ or f"{board.settings.prefix}/"
    if not board.sign_in.is_local(wanted):
        msg = f"`next` is {wanted[:100]!r}: write a path of the board."
        raise bad_request(msg)
    return board.sign_in.begin(request, wanted)


@router.get("/oauth_callback")
async def signed_in(request: Request, board: BoardDep) -> Response:
    """Take a browser back from the hub."""
    try:
        return await board.sign_in.finish(request)
    except SignInError as error:
        return _page(
            board, None, "error.html", {"message": str(error)}, HTTPStatus.FORBIDDEN
        )


async def _show(request: Request, board: Board, template: str, values: Any) -> Response:
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        # A page holds the word that protects changes: scripts may not fetch it.
        return RedirectResponse(f"{board.settings.prefix}/health", status_code=303)
    try:
        who = await board.callers.by_cookie(request)
    except Denied as error:
        if error.status == HTTPStatus.UNAUTHORIZED and board.sign_in.is_set_up:
            return board.sign_in.begin(request)
        return _error(board, None, error)
    try:
        more = await values(who) if callable(values) else values
    except Denied as error:
        return _error(board, who, error)
    token = board.sign_in.token_of(request) or ""
    told = {"state": encode(await board.state()), "xsrf": board.sign_in.xsrf(token)}
    return _page(board, who, template, {**told, **more}, HTTPStatus.OK)


def _error(board: Board, who: Principal | None, error: Denied) -> Response:
    status = HTTPStatus(error.status)
    return _page(board, who, "error.html", {"message": error.message}, status)


def _page(
    board: Board,
    who: Principal | None,
    template: str,
    values: dict[str, Any],
    status: HTTPStatus,
) -> Response:
    settings = board.settings
    text = (
        _templates(settings.templates)
        .get_template(template)
        .render(
            **_hub_variables(board, who),
            board_path=f"{settings.prefix}/",
            gpus_path=f"{settings.prefix}/",
            settings_json={
                "api": f"{settings.prefix}/api/v1",
                "path": f"{settings.prefix}/",
                "hub": settings.hub_path,
                "tracking": settings.tracking_path,
                "me": who.name if who else "",
                "admin": bool(who and who.admin),
                **values,
            },
            **values,
        )
    )
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def _hub_variables(board: Board, who: Principal | None) -> dict[str, Any]:
    """Give what the hub's own pages are rendered with."""
    settings = board.settings
    hub = settings.hub_path

    def static_url(path: str, **_: object) -> str:
        return f"{hub}static/{path}"

    user = SimpleNamespace(
        name=who.name if who else "",
        # As the hub writes it into its script: without the quotes around.
        json_escaped_name=json.dumps(who.name if who else "")[1:-1],
    )
    return {
        "base_url": hub,
        "prefix": hub.removesuffix("hub/") or "/",
        "user": user if who else None,
        "admin_access": False,
        "no_spawner_check": True,
        "parsed_scopes": {"admin-ui"} if who and who.admin else set(),
        "services": [],
        "login_url": f"{hub}login",
        "logout_url": f"{hub}logout",
        "static_url": static_url,
        "version_hash": "",
        "xsrf_token": "",
        "site_name": board.site.site.name,
        "shared_notice": settings.shared_notice,
        "tracking_path": settings.tracking_path,
        "own_keys_path": f"{settings.prefix}/clearml" if board.keyring else "",
        "pc_path": f"{settings.prefix}/pc" if board.pc_keys else "",
    }


@cache
def _templates(site: Path | None) -> Environment:
    hub = FileSystemLoader(_HUB_TEMPLATES)
    loaders: list[Any] = [FileSystemLoader(Path(__file__).with_name("templates"))]
    if site is not None:
        loaders.append(FileSystemLoader(site))
    # The site's pages extend the hub's by this prefix.
    loaders += [hub, PrefixLoader({"templates": hub})]
    return Environment(loader=ChoiceLoader(loaders), autoescape=True)
