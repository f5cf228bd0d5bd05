"""Signing in to the pages: OAuth2 with PKCE at the hub.

The session cookie holds the hub's access token, signed: it is shown to the hub again
and again, so that signing out there, or being removed, ends the session here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
from pathlib import Path
from urllib.parse import urlencode

from fastapi import Request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.responses import RedirectResponse, Response

from waylab_board.errors import HubAway, HubRefuses, SignInError, not_signed_in
from waylab_board.hub import Hub
from waylab_board.settings import BoardSettings

_log = logging.getLogger(__name__)
COOKIE = "waylab-gpus"
STATE_COOKIE = "waylab-gpus-state-"
STATE_SECONDS = 600
SESSION_SECONDS = 14 * 24 * 3600
_WORD = 32


class SignIn:
    """Sends browsers to the hub and takes them back."""

    def __init__(self, settings: BoardSettings, hub: Hub) -> None:
        """Read the client's secret; nothing is asked of the hub yet."""
        self._settings = settings
        self._hub = hub
        path = settings.oauth_secret_file
        # Without OAuth no cookie is ever set: any word will do.
        self._secret = _read(path) if path else secrets.token_hex(_WORD)

    @property
    def is_set_up(self) -> bool:
        """Whether browsers can sign in at all."""
        return bool(self._settings.oauth_client_id and self._settings.hub_api_url)

    def begin(self, request: Request, wanted: str = "") -> Response:
        """Ask a browser to sign in and to come back to the page it wanted.

        Raises:
            Denied: there is no hub to sign in at.
        """
        if not self.is_set_up:
            msg = "Nobody can sign in here: the board knows of no hub."
            raise not_signed_in(msg)
        nonce, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        hashed = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": self._settings.oauth_client_id,
            "redirect_uri": self._callback,
            "response_type": "code",
            "state": nonce,
            "code_challenge": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        # Without a host: whatever name the browser knows the hub by stays in use.
        authorize = f"{self._settings.hub_path}api/oauth2/authorize"
        response = RedirectResponse(f"{authorize}?{urlencode(query)}", status_code=302)
        state = {"verifier": verifier, "next": wanted or _address(request)}
        # A cookie for each attempt: several tabs may sign in at once.
        self._set_cookie(
            response,
            STATE_COOKIE + nonce,
            self._signer("state").dumps(state),
            STATE_SECONDS,
        )
        return response

    async def finish(self, request: Request) -> Response:
        """Take a browser back from the hub.

        Raises:
            SignInError: it was no sign-in of ours, or the hub or we refuse it.
        """
        cookie = STATE_COOKIE + request.query_params.get("state", "")
        try:
            state = self._signer("state").loads(
                request.cookies.get(cookie, ""), max_age=STATE_SECONDS
            )
        except BadSignature as error:
            msg = "The sign-in was interrupted or took too long. Try again."
            raise SignInError(msg) from error
        if not (code := request.query_params.get("code", "")):
            reason = request.query_params.get("error", "no reason given")[:100]
            msg = f"The sign-in was refused ({reason})."
            raise SignInError(msg)
        form = {
            "client_id": self._settings.oauth_client_id,
            "client_secret": self._secret,
            "grant_type": "authorization_code",
            "redirect_uri": self._callback,
            "code_verifier": state["verifier"],
        }
        try:
            token = await self._hub.spend_code(code, form)
            user = await self._hub.owner(token)
        except (HubAway, HubRefuses) as error:
            _log.warning("A sign-in failed: %s", error)
            msg = "The hub did not confirm who you are. Try again."
            raise SignInError(msg) from error
        if user is None or not user.may_use(self._settings.service):
            msg = "The hub does not let you use this service: ask an admin."
            raise SignInError(msg)
        response = RedirectResponse(state["next"], status_code=302)
        response.delete_cookie(cookie, path=self._path)
        session = self._signer("session").dumps(token)
        self._set_cookie(response, COOKIE, session, SESSION_SECONDS)
        return response

    def token_of(self, request: Request) -> str | None:
        """Give the hub token of a browser's session; None if there is none."""
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            token = self._signer("session").loads(cookie, max_age=SESSION_SECONDS)
        except BadSignature:
            return None
        return str(token)

    def xsrf(self, token: str) -> str:
        """Give the word that a page must send with every change it asks for."""
        key = f"xsrf:{self._secret}".encode()
        return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()

    def is_local(self, address: str) -> bool:
        """Tell whether a path is one of the board's own, to go to after a sign-in."""
        plain = not set(address) & set("\\\r\n\t") and "//" not in address
        return plain and address.startswith(f"{self._settings.prefix}/")

    @property
    def _callback(self) -> str:
        # Host-free: the hub is at the same public address.
        return f"{self._settings.prefix}/oauth_callback"

    @property
    def _path(self) -> str:
        return f"{self._settings.prefix}/"

    def _signer(self, salt: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._secret, salt=f"waylab-board-{salt}")

    def _set_cookie(self, response: Response, name: str, value: str, age: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=age,
            path=self._path,
            httponly=True,
            samesite="lax",
            secure=self._settings.public_url.startswith("https:"),
        )


def _address(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query


def _read(path: Path) -> str:
    return path.read_text("utf-8").strip()
