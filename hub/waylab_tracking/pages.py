"""The web pages: one shell at every address that the SDK prints."""

from __future__ import annotations

import json
import logging
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from waylab_tracking import bundle, first_data
from waylab_tracking.access import PAGES
from waylab_tracking.database import Database
from waylab_tracking.entrances import caller
from waylab_tracking.errors import ApiError
from waylab_tracking.identity import Identity
from waylab_tracking.links import Links
from waylab_tracking.registry import Call
from waylab_tracking.settings import TrackingSettings
from waylab_tracking.signin import SignIn, SignInError

logger = logging.getLogger(__name__)
SHELL_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; frame-src 'self';"
    " form-action 'none'; frame-ancestors 'self'; base-uri 'none'"
)
# Figures are users' own: they are drawn where nothing of ours can be reached.
FRAME_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'nonce-{nonce}';"
    " style-src 'unsafe-inline'; img-src data: blob:; frame-ancestors 'self';"
    " form-action 'none'; base-uri 'none'"
)
NOTE_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'none';"
    " frame-ancestors 'self'; base-uri 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
# What would end a script element early, or a line of a script.
ESCAPES = str.maketrans(
    {char: f"\\u{ord(char):04x}" for char in "<>&\N{LINE SEPARATOR}\u2029"}
)


class Pages:
    """Shells with first data for who is signed in; a sign-in for who is not."""

    def __init__(
        self,
        settings: TrackingSettings,
        database: Database,
        identity: Identity,
        links: Links,
    ) -> None:
        """Say in the log if the pages were not built; all else works without them."""
        self._database = database
        self._identity = identity
        self._links = links
        self._sign_in = SignIn(settings, database, identity, links)
        self._bundle = bundle.read(bundle.FOLDER)
        self._notice = settings.notice
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=select_autoescape(),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        if self._bundle is None:
            logger.warning("The web pages are not built: run `make setup`")

    def routes(self) -> list[Route]:
        """Give the pages' addresses and those of what they are made of."""
        return [
            *(Route(path, self._shell) for path in PAGES),
            Route("/plot-frame", self._plot_frame),
            Route("/assets/{name}", bundle.asset),
            Route("/oauth_callback", self._signed_in),
        ]

    async def _shell(self, request: Request) -> Response:
        def work(db: sa.Connection) -> list[dict[str, Any]]:
            call = Call(db, caller(request), {}, self._identity)
            return first_data.answers(call, request.url.path)

        found = await self._database.read(work)
        if self._bundle is None:
            text = "The web pages are not built. Run `make setup`, then start again."
            return self._note(request, HTTPStatus.SERVICE_UNAVAILABLE, text)
        given = {"base": _root(request), "notice": self._notice, "answers": found}
        text = json.dumps(given)
        data = self._links.outward(text.encode(), request).decode()
        return self._page(
            request,
            "shell.html",
            SHELL_POLICY,
            # The last of the questions is about what the page is of.
            HTTPStatus.NOT_FOUND if "error" in found[-1] else HTTPStatus.OK,
            # As text of the page: the escapes are JSON's own.
            data=data.translate(ESCAPES),
        )

    def refuse(self, request: Request, error: ApiError) -> Response:
        """Ask to sign in, or tell why there is nothing to see."""
        if error.status == HTTPStatus.UNAUTHORIZED:
            return self._sign_in.begin(request)
        forbidden = error.status == HTTPStatus.FORBIDDEN
        status = HTTPStatus.FORBIDDEN if forbidden else HTTPStatus.NOT_FOUND
        return self._note(request, status, error.message)

    async def missing(self, request: Request, error: Exception) -> Response:
        """Tell a browser kindly of an address that nothing is at, others in a word."""
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("Not Found", status_code=HTTPStatus.NOT_FOUND)
        text = f"There is no page at {request.url.path}."
        return self._note(request, HTTPStatus.NOT_FOUND, text)

    async def _plot_frame(self, request: Request) -> Response:
        if self._bundle is None:
            return self._note(request, HTTPStatus.SERVICE_UNAVAILABLE, "Not built.")
        light = "all" not in request.query_params
        plotly = self._bundle.plotly_light if light else self._bundle.plotly
        return self._page(
            request, "plot_frame.html", FRAME_POLICY, HTTPStatus.OK, plotly=plotly
        )

    async def _signed_in(self, request: Request) -> Response:
        try:
            return await self._sign_in.finish(request)
        except SignInError as error:
            return self._note(request, HTTPStatus.FORBIDDEN, str(error))

    def _note(self, request: Request, status: HTTPStatus, text: str) -> Response:
        return self._page(request, "note.html", NOTE_POLICY, status, message=text)

    def _page(
        self,
        request: Request,
        template: str,
        policy: str,
        status: HTTPStatus,
        **values: Any,
    ) -> Response:
        nonce = secrets.token_urlsafe(16)
        text = self._templates.get_template(template).render(
            root=_root(request),
            nonce=nonce,
            bundle=self._bundle,
            notice=self._notice,
            **values,
        )
        headers = {**HEADERS, "Content-Security-Policy": policy.format(nonce=nonce)}
        return HTMLResponse(text, status_code=status, headers=headers)


def _root(request: Request) -> str:
    return str(request.scope.get("waylab_prefix", ""))
