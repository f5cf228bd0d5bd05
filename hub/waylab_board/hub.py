"""The hub as the board uses it: who a token belongs to, starting and ending labs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from waylab_board.errors import HubAway, HubRefuses

_FRESH_SECONDS = 10.0
_STALE_SECONDS = 300.0
_AGAIN_SECONDS = 30.0
_SHORT_SECONDS = 2.0
_START_SECONDS = 60.0
_KEPT = 4096
_UNKNOWN_TOKEN = frozenset({401, 403})
_NOT_FOUND = 404


@dataclass(frozen=True)
class HubUser:
    """A user (or service) of the hub, as a token's owner."""

    name: str
    admin: bool
    groups: tuple[str, ...]
    scopes: frozenset[str]

    def may_use(self, service: str) -> bool:
        """Tell whether the token gives access to a service."""
        wanted = {"access:services", f"access:services!service={service}"}
        return bool(self.scopes & wanted)


@dataclass(frozen=True)
class HubLab:
    """A lab that the hub has: it is ready, or `pending` says what goes on.

    `options` are those that its user chose.
    """

    ready: bool
    pending: str
    started_at: datetime | None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    user: HubUser | None
    at: float


class Hub:
    """A session with the hub as its service; without an address nobody is known."""

    def __init__(
        self, api_url: str, token: str, *, timeout_seconds: float = 10
    ) -> None:
        """Nothing is sent before the first call."""
        self._api_url = api_url.rstrip("/")
        self._token = token
        self._asked: dict[str, _Asked] = {}
        self._groups: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._http = httpx.AsyncClient(timeout=timeout_seconds, trust_env=False)

    @property
    def is_set_up(self) -> bool:
        """Whether there is a hub at all."""
        return bool(self._api_url and self._token)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def owner(self, token: str) -> HubUser | None:
        """Give whom a hub token belongs to; None if the hub does not know it.

        An answer is good for some seconds. While the hub is away its last answer
        stands for five minutes.

        Raises:
            HubAway: it does not answer, and was not asked lately.
        """
        if not self._api_url:
            return None
        now = time.monotonic()
        last = self._asked.get(token)
        if last is not None and now - last.at < _FRESH_SECONDS:
            return last.user
        try:
            user = await self._ask_owner(token)
        except HubAway:
            if last is not None and now - last.at < _STALE_SECONDS:
                return last.user
            raise
        if len(self._asked) >= _KEPT:
            self._asked.clear()
        self._asked[token] = _Asked(user, now)
        return user

    async def groups(self, user: str) -> tuple[str, ...]:
        """Give a user's groups; none where the hub does not tell them."""
        if not self.is_set_up:
            return ()
        now = time.monotonic()
        good_until, known = self._groups.get(user, (0.0, ()))
        if now < good_until:
            return known
        # Marked first: a hub that hangs is not asked about everybody by everybody.
        self._groups[user] = (now + _AGAIN_SECONDS, known)
        try:
            path = f"/users/{_q(user)}"
            answer = await self._send("GET", path, seconds=_SHORT_SECONDS)
            known = tuple(answer.json().get("groups") or ())
        except (HubAway, HubRefuses):
            return known
        self._groups[user] = (now + _STALE_SECONDS, known)
        return known

    async def start_lab(
        self, user: str, server: str, options: Mapping[str, Any]
    ) -> None:
        """Start a user's lab; it may go on starting after the answer.

        Raises:
            HubAway: the hub does not answer. HubRefuses: it will not; its words.
        """
        body = {"display_name": "", "user_options": dict(options)}
        await self._send("POST", _lab(user, server), body, seconds=_START_SECONDS)

    async def stop_lab(self, user: str, server: str) -> bool:
        """Stop a user's lab; False where the hub knows of none.

        Raises:
            HubAway: the hub does not answer. HubRefuses: it will not; its words.
        """
        try:
            await self._send("DELETE", _lab(user, server), seconds=_START_SECONDS)
        except HubRefuses as error:
            if error.status == _NOT_FOUND:
                return False
            raise
        return True

    async def lab(self, user: str, server: str) -> HubLab | None:
        """Give a user's lab; None where the hub knows of none that is active.

        Raises:
            HubAway: the hub does not answer. HubRefuses: it will not; its words.
        """
        try:
            model = (await self._send("GET", _lab(user, server))).json()
        except HubRefuses as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return _read_lab(model)

    async def labs(self) -> dict[tuple[str, str], HubLab]:
        """Give (user, server) -> lab, of every active one.

        Raises:
            HubAway: the hub does not answer. HubRefuses: it will not; its words.
        """
        found: dict[tuple[str, str], HubLab] = {}
        offset, page = 0, 200
        while True:
            path = f"/users?state=active&offset={offset}&limit={page}"
            users = (await self._send("GET", path)).json()
            for user in users:
                for name, model in (user.get("servers") or {}).items():
                    if (lab := _read_lab(model)) is not None:
                        found[str(user["name"]), str(name)] = lab
            if len(users) < page:
                return found
            offset += page

    async def spend_code(self, code: str, form: Mapping[str, str]) -> str:
        """Give the access token for an authorization code.

        Raises:
            HubAway, HubRefuses.
        """
        url = f"{self._api_url}/oauth2/token"
        try:
            answer = await self._http.post(url, data={**form, "code": code})
            answer.raise_for_status()
            return str(answer.json()["access_token"])
        except httpx.HTTPStatusError as error:
            raise HubRefuses(error.response.status_code, "no token") from error
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise HubAway(str(error) or type(error).__name__) from error

    async def _ask_owner(self, token: str) -> HubUser | None:
        headers = {"Authorization": f"token {token}"}
        try:
            answer = await self._http.get(f"{self._api_url}/user", headers=headers)
        except httpx.HTTPError as error:
            raise HubAway(str(error) or type(error).__name__) from error
        if answer.status_code in _UNKNOWN_TOKEN:
            return None
        try:
            model = answer.raise_for_status().json()
            return HubUser(
                name=str(model["name"]),
                admin=bool(model.get("admin")),
                groups=tuple(model.get("groups") or ()),
                scopes=frozenset(model.get("scopes") or ()),
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise HubAway(str(error)) from error

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = 10.0,
    ) -> httpx.Response:
        headers = {"Authorization": f"token {self._token}"}
        try:
            answer = await self._http.request(
                method,
                self._api_url + path,
                json=body,
                headers=headers,
                timeout=seconds,
            )
        except httpx.HTTPError as error:
            msg = f"the hub does not answer ({error or type(error).__name__})"
            raise HubAway(msg) from error
        if answer.is_error:
            raise HubRefuses(answer.status_code, _words(answer))
        return answer


def _lab(user: str, server: str) -> str:
    path = f"/users/{_q(user)}"
    return f"{path}/servers/{_q(server)}" if server else f"{path}/server"


def _read_lab(model: Mapping[str, Any]) -> HubLab | None:
    ready, pending = bool(model.get("ready")), str(model.get("pending") or "")
    if not ready and not pending:
        return None
    started = model.get("started")
    return HubLab(
        ready=ready,
        pending=pending,
        started_at=datetime.fromisoformat(started) if started else None,
        options=model.get("user_options") or {},
    )


def _words(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def _q(text: str) -> str:
    return quote(text, safe="")
