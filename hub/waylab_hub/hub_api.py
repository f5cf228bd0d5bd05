"""The hub's REST interface, as the supervisor and the command line use it."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from waylab_hub.errors import HubError

_NOT_FOUND = 404
_PAUSE_SECONDS = 0.2


class HubApi:
    """A session with the supervisor's own token; an async context manager."""

    def __init__(self, url: str, token: str) -> None:
        """Speak to the hub at `url`; nothing is sent before the first call."""
        self._client = httpx.AsyncClient(
            base_url=f"{url}/hub/api",
            headers={"Authorization": f"token {token}"},
            timeout=10.0,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        """Give itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def labs(self) -> tuple[tuple[str, str], ...]:
        """Give (user, server) of every lab that runs, starts or ends.

        Raises:
            HubError: the hub does not answer, or refuses.
        """
        found: list[tuple[str, str]] = []
        offset, page = 0, 200
        while True:
            response = await self._send(
                "GET", f"/users?state=active&offset={offset}&limit={page}"
            )
            users = response.json()
            found += [
                (str(user["name"]), str(server))
                for user in users
                for server in user.get("servers", {})
            ]
            if len(users) < page:
                return tuple(found)
            offset += page

    async def end_labs(self, *, user: str | None = None, within_seconds: float) -> bool:
        """End all labs (of one user); tell whether none is left in time.

        Raises:
            HubError: the hub does not answer, or refuses.
        """
        deadline = time.monotonic() + within_seconds
        asked: set[tuple[str, str]] = set()
        while True:
            labs = [lab for lab in await self.labs() if user in {None, lab[0]}]
            if not labs:
                return True
            if time.monotonic() > deadline:
                return False
            new = [lab for lab in labs if lab not in asked]
            await asyncio.gather(*(self._end_lab(*lab) for lab in new))
            asked.update(new)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def delete_user(self, name: str) -> None:
        """Delete a user with all tokens and sessions; one not known is no error.

        Raises:
            HubError: the hub does not answer, or refuses.
        """
        await self._send("DELETE", f"/users/{quote(name, safe='')}")

    async def renew_routes(self) -> None:
        """Make the hub tell the proxy all routes again.

        Raises:
            HubError: the hub does not answer, or refuses.
        """
        await self._send("POST", "/proxy")

    async def _end_lab(self, user: str, server: str) -> None:
        path = f"/users/{quote(user, safe='')}"
        path += f"/servers/{quote(server, safe='')}" if server else "/server"
        await self._send("DELETE", path)

    async def _send(self, method: str, path: str) -> httpx.Response:
        try:
            response = await self._client.request(method, path)
        except httpx.HTTPError as error:
            msg = f"The hub does not answer ({error or type(error).__name__})."
            raise HubError(msg) from error
        if response.is_error and response.status_code != _NOT_FOUND:
            msg = f"The hub refuses {method} {path}: {response.text[:200]}"
            raise HubError(msg)
        return response
