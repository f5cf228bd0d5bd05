"""The tracking server as the hub sees it: users and their keys.

The hub acts as the `system` principal, which may make users and, in a user's place,
their keys. All calls are async: they run in the hub's event loop.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import httpx

from waylab_site.certificates import trusted
from waylab_spawner.errors import TrackingError

Role = Literal["admin", "user", "agent"]
Json = dict[str, object]

_IMPERSONATE = "X-Clearml-Impersonate-As"
_PAUSE_SECONDS = 0.25
_UNAVAILABLE = frozenset({429, 502, 503, 504})
_UNAUTHORIZED = 401


@dataclass(frozen=True)
class KeyPair:
    """An access key and its secret."""

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a key pair as the supervisor wrote it.

        Raises:
            TrackingError: the file is missing or damaged.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(data["access_key"]), str(data["secret_key"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"The keys in {path} cannot be read ({error}): restore that file."
            raise TrackingError(msg) from error


class Tracking:
    """A session of the `system` principal; use it as an async context manager."""

    def __init__(
        self, api_url: str, system: KeyPair, *, patience_seconds: float = 15.0
    ) -> None:
        """Nothing is sent before the first call.

        A server that is unreachable or starting is asked again for at most
        `patience_seconds` a call.
        """
        self._client = httpx.AsyncClient(
            base_url=api_url,
            timeout=10.0,
            verify=trusted(),
            trust_env=False,  # A proxy of the environment is not for this machine.
        )
        self._api_url = api_url
        self._system = system
        self._patience_seconds = patience_seconds
        self._token = ""

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

    async def ensure_user(
        self, name: str, role: Role, groups: Iterable[str] | None = None
    ) -> None:
        """Make a user, or give the user that role; `groups` as well unless None.

        Raises:
            TrackingError: as `call`.
        """
        told = {} if groups is None else {"groups": sorted(groups)}
        await self.call("waylab.ensure_user", {"name": name, "role": role, **told})

    async def end_lab_keys(
        self, user: str, *, older_than_seconds: float, running: Iterable[str]
    ) -> None:
        """Revoke keys of a user's labs that are so old; those of `running` labels stay.

        Raises:
            TrackingError: as `call`.
        """
        body = {
            "user": user,
            "label": "lab:",
            "older_than_seconds": older_than_seconds,
            "keep": sorted(running),
        }
        await self.call("waylab.end_keys", body)

    async def remove_user(self, name: str) -> None:
        """Remove a user and all keys; what the user made stays.

        Raises:
            TrackingError: as `call`.
        """
        await self.call("waylab.remove_user", {"name": name})

    async def make_keys(self, user: str, label: str) -> KeyPair:
        """Make keys of a user with a label.

        Raises:
            TrackingError: as `call`.
        """
        data = await self.call(
            "auth.create_credentials", {"label": label}, as_user=user
        )
        made = _mapping(data.get("credentials"))
        return KeyPair(str(made["access_key"]), str(made["secret_key"]))

    async def revoke_key(self, user: str, access_key: str) -> None:
        """Revoke one key of a user.

        Raises:
            TrackingError: as `call`.
        """
        await self.call(
            "auth.revoke_credentials", {"access_key": access_key}, as_user=user
        )

    async def revoke_labelled(self, user: str, label: str) -> None:
        """Revoke all keys of a user that carry a label.

        Raises:
            TrackingError: as `call`.
        """
        data = await self.call("auth.get_credentials", {}, as_user=user)
        found = data.get("credentials")
        for entry in found if isinstance(found, list) else ():
            key = _mapping(entry)
            if key.get("label") == label:
                await self.revoke_key(user, str(key["access_key"]))

    async def workers(self) -> tuple[str, ...]:
        """Give the ids of the workers that report now.

        Raises:
            TrackingError: as `call`.
        """
        data = await self.call("workers.get_all", {})
        found = data.get("workers")
        workers = found if isinstance(found, list) else []
        return tuple(str(_mapping(worker).get("id", "")) for worker in workers)

    async def call(
        self, endpoint: str, body: Mapping[str, object], *, as_user: str = ""
    ) -> Json:
        """Send one request and give its `data`.

        Raises:
            TrackingError: the server refuses, or does not answer in time.
        """
        deadline = time.monotonic() + self._patience_seconds
        headers = {_IMPERSONATE: as_user} if as_user else {}
        response = await self._ask(endpoint, body, headers, deadline)
        if response.status_code == _UNAUTHORIZED:  # The token ended, or its secret.
            self._token = ""
            response = await self._ask(endpoint, body, headers, deadline)
        answer = _answer(response)
        if response.is_error:
            meta = _mapping(answer.get("meta"))
            said = meta.get("result_msg") or response.reason_phrase
            msg = f"The tracking server refuses {endpoint}: {said}"
            raise TrackingError(msg)
        return dict(_mapping(answer.get("data")))

    async def _ask(
        self,
        endpoint: str,
        body: Mapping[str, object],
        headers: Mapping[str, str],
        deadline: float,
    ) -> httpx.Response:
        if not self._token:
            pair = (self._system.access_key, self._system.secret_key)
            login = await self._send("auth.login", {}, {}, deadline, pair)
            if login.is_error:
                msg = (
                    f"The tracking server at {self._api_url} does not accept the "
                    "hub's own keys: restore secrets/tracking-system.json."
                )
                raise TrackingError(msg)
            self._token = str(_mapping(_answer(login).get("data")).get("token", ""))
        bearer = {"Authorization": f"Bearer {self._token}", **headers}
        return await self._send(endpoint, body, bearer, deadline)

    async def _send(
        self,
        endpoint: str,
        body: Mapping[str, object],
        headers: Mapping[str, str],
        deadline: float,
        auth: tuple[str, str] | None = None,
    ) -> httpx.Response:
        while True:
            try:
                response = await self._client.post(
                    f"/{endpoint}",
                    json=dict(body),
                    headers=dict(headers),
                    auth=auth or httpx.USE_CLIENT_DEFAULT,
                )
                if response.status_code not in _UNAVAILABLE:
                    return response
                reason = f"it answers {response.status_code}"
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            if time.monotonic() > deadline:
                msg = (
                    f"The tracking server at {self._api_url} is not there ({reason}). "
                    "Try again in a minute; `waylab status` shows how it is."
                )
                raise TrackingError(msg)
            await asyncio.sleep(_PAUSE_SECONDS)


def _answer(response: httpx.Response) -> Mapping[str, object]:
    try:
        return _mapping(response.json())
    except ValueError as error:
        msg = (
            f"The tracking server's answer ({response.status_code}) is not JSON: is "
            "another program listening on its port?"
        )
        raise TrackingError(msg) from error


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
