"""Signing in to the pages: OAuth2 with PKCE, or HTTP Basic where none is set up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import secrets
import ssl
from functools import cache
from urllib.parse import urlencode

import httpx
from itsdangerous import BadSignature
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from waylab_tracking.callers import COOKIE, SESSION_SECONDS, signer
from waylab_tracking.database import Database
from waylab_tracking.errors import ApiError
from waylab_tracking.identity import Identity, user_by_name
from waylab_tracking.links import Links
from waylab_tracking.settings import TrackingSettings

logger = logging.getLogger(__name__)
STATE_COOKIE = "waylab-tracking-state-"
STATE_SECONDS = 600
PROVIDER_SECONDS = 10.0


class SignInError(Exception):
    """The sign-in failed; its text is for the user."""


class SignIn:
    """Sends browsers to the provider and takes them back."""

    def __init__(
        self,
        settings: TrackingSettings,
        database: Database,
        identity: Identity,
        links: Links,
    ) -> None:
        """Nothing is asked of the provider before somebody signs in."""
        self._links = links
        self._settings = settings
        self._database = database
        self._identity = identity

    def begin(self, request: Request) -> Response:
        """Ask a browser to sign in and to come back to the page it wanted."""
        if not self._settings.oauth_client_id:
            challenge = 'Basic realm="Waylab tracking: access key and secret key"'
            return Response(
                "Sign in with an access key and its secret key.\n",
                status_code=401,
                headers={"WWW-Authenticate": challenge},
            )
        nonce, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        hashed = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": self._settings.oauth_client_id,
            "redirect_uri": _callback(request, self._settings, self._links),
            "response_type": "code",
            "state": nonce,
            "code_challenge": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if self._settings.oauth_scope:
            query["scope"] = self._settings.oauth_scope
        url = f"{self._settings.oauth_authorize_url}?{urlencode(query)}"
        response = RedirectResponse(url, status_code=302)
        wanted = _prefix(request) + request.url.path
        if request.url.query:
            wanted += f"?{request.url.query}"
        state = {"verifier": verifier, "next": wanted}
        # A cookie for each attempt: several tabs may sign in at once.
        self._set_cookie(
            request,
            response,
            STATE_COOKIE + nonce,
            signer(self._identity, "state").dumps(state),
            STATE_SECONDS,
        )
        return response

    async def finish(self, request: Request) -> Response:
        """Take a browser back from the provider.

        Raises:
            SignInError: it was no sign-in of ours, or the provider or we refuse it.
        """
        cookie = STATE_COOKIE + request.query_params.get("state", "")
        try:
            state = signer(self._identity, "state").loads(
                request.cookies.get(cookie, ""), max_age=STATE_SECONDS
            )
        except BadSignature as error:
            msg = "The sign-in was interrupted or took too long. Try again."
            raise SignInError(msg) from error
        if not (code := request.query_params.get("code", "")):
            reason = request.query_params.get("error", "no reason given")[:100]
            msg = f"The sign-in was refused ({reason})."
            raise SignInError(msg)
        try:
            name = await self._ask_provider(request, code, state["verifier"])
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("The sign-in provider failed: %r", error)
            msg = "The sign-in provider did not confirm who you are. Try again."
            raise SignInError(msg) from error
        try:
            user = await self._database.read(lambda db: user_by_name(db, name))
        except ApiError as error:
            msg = f"{name} is not known here yet: start a lab first."
            raise SignInError(msg) from error
        response = RedirectResponse(state["next"], status_code=302)
        response.delete_cookie(cookie, path=_prefix(request) or "/")
        session = signer(self._identity, "session").dumps(user.id)
        self._set_cookie(request, response, COOKIE, session, SESSION_SECONDS)
        return response

    async def _ask_provider(self, request: Request, code: str, verifier: str) -> str:
        settings = self._settings
        form = {
            "client_id": settings.oauth_client_id,
            "client_secret": await self._secret(),
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": _callback(request, settings, self._links),
            "code_verifier": verifier,
        }
        limit = PROVIDER_SECONDS
        async with httpx.AsyncClient(
            timeout=limit, trust_env=False, verify=_trusted()
        ) as client:
            answer = await client.post(settings.oauth_token_url, data=form)
            token = answer.raise_for_status().json()["access_token"]
            answer = await client.get(
                settings.oauth_userinfo_url,
                headers={"Authorization": f"Bearer {token}"},
            )
            return str(answer.raise_for_status().json()[settings.oauth_name_claim])

    async def _secret(self) -> str:
        path = self._settings.oauth_client_secret_file
        if path is None:
            return self._settings.oauth_client_secret.get_secret_value()
        return (await asyncio.to_thread(path.read_text, "utf-8")).strip()

    def _set_cookie(
        self, request: Request, response: Response, name: str, value: str, age: int
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=age,
            path=_prefix(request) or "/",
            httponly=True,
            samesite="lax",
            secure=self._settings.public_url.startswith("https:"),
        )


@cache
def _trusted() -> ssl.SSLContext:
    """Read the authorities once: that takes tens of milliseconds of the event loop."""
    return httpx.create_ssl_context(trust_env=False)


def _prefix(request: Request) -> str:
    return str(request.scope.get("waylab_prefix", ""))


def _callback(request: Request, settings: TrackingSettings, links: Links) -> str:
    path = "/oauth_callback"
    if settings.oauth_authorize_url.startswith("/"):
        # Host-free: the provider is at the same public address as we are.
        return _prefix(request) + path
    return (settings.public_url.rstrip("/") or links.base(request)) + path
