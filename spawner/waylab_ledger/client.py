# ruff: noqa: N818 - conditions are named as the domain names them.
"""The board as its callers see it: the hub's spawner (async) and the agents (sync).

Every call is idempotent, so that one whose answer was lost is simply sent again: a
board that is away or starting is asked for at most `patience_seconds`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import httpx

from waylab_ledger.errors import (
    Conflict,
    LeaseGone,
    LedgerError,
    NotFound,
    Refused,
)
from waylab_ledger.values import Lease, NodeReport, Proof, Request, Ticket
from waylab_ledger.wire import (
    Answer,
    BoardState,
    Orders,
    TicketShown,
    WireError,
    decode,
    encode,
)
from waylab_site.certificates import trusted

T = TypeVar("T")

API = "/api/v1"
_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_AWAY = frozenset({429, 502, 503, 504})
_ERRORS: Mapping[str, type[LedgerError]] = {
    "lease-gone": LeaseGone,
    "refused": Refused,
    "not-found": NotFound,
    "conflict": Conflict,
}
__all__ = [
    "BoardClient",
    "BoardForbids",
    "BoardUnreachable",
    "Conflict",
    "LeaseGone",
    "LedgerError",
    "NodeBoard",
    "NotFound",
    "OwnKeys",
    "OwnerToken",
    "Refused",
]


@dataclass(frozen=True)
class OwnKeys:
    """A ClearML key pair that a user has entered; `user` is the hub's name."""

    user: str
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class OwnerToken:
    """A token of the embedded server with which a job acts for its owner."""

    user: str
    token: str = field(repr=False)


class BoardUnreachable(LedgerError):
    """The board did not answer within the time allowed."""


class BoardForbids(LedgerError):
    """The board does not know the token, or it does not permit this."""


@dataclass(frozen=True)
class _Call(Generic[T]):
    method: str
    path: str
    read: Callable[[Any], T]
    body: dict[str, Any] = field(default_factory=dict)


class BoardClient:
    """The board for the hub's process; an async context manager."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = 10.0,
        patience_seconds: float = 15.0,
    ) -> None:
        """Nothing is sent before the first call.

        `url` is the board's base, as in `http://127.0.0.1:8010/services/gpus`;
        `token` the hub's own token for it.
        """
        self._url = url
        self._patience = patience_seconds
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/") + API,
            headers={"Authorization": f"token {token}"},
            timeout=timeout_seconds,
            trust_env=False,
            verify=trusted(),
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
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        await self._http.aclose()

    async def request(
        self,
        request: Request,
        taker: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Lease | Ticket:
        """Ask for a lease: one that is granted at once, or else a ticket.

        With `taker` a lease is GRANTED to it straight away. `options` are the lab's
        user options: with them the board starts the lab once its ticket's turn comes.

        Raises:
            Refused: the site has nothing that would do, ever.
            BoardUnreachable: no answer in time; the lease may be there nevertheless.
        """
        if options is not None:
            request = replace(request, options=json.dumps(dict(options)))
        return await self._send(_request(request, taker))

    async def take(self, lease: str, taker: str) -> Lease:
        """Take a lease that is set aside.

        Raises:
            LeaseGone: it is not (any more); the text says why.
        """
        return await self._send(_take(lease, taker))

    async def activate(
        self, lease: str, *, engine_id: str | None = None, found: str | None = None
    ) -> Lease:
        """Say that the holder runs, on which engine, and as what it is found there."""
        return await self._send(_activate(lease, engine_id, found))

    async def releasing(self, lease: str, reason: str) -> None:
        """Say that the holder's end was asked for."""
        await self._send(_change(lease, "releasing", {"reason": reason}))

    async def release(self, lease: str, proof: Proof) -> None:
        """Free the devices on a proof; a released lease stays released."""
        await self._send(_change(lease, "release", {"proof": encode(proof)}))

    async def lose(self, lease: str, reason: str) -> None:
        """Say that nobody can tell whether the holder runs."""
        await self._send(_change(lease, "lost", {"reason": reason}))

    async def epoch(self, epoch: str) -> None:
        """Say that the hub's process has begun anew: earlier ones are dead."""
        await self._send(_epoch(epoch))

    async def user_keys(self, user: str) -> OwnKeys:
        """Give the ClearML keys that a user has entered (NotFound: none)."""
        path = f"/clearml-keys/{_q(user)}/secret"
        return await self._send(_Call("GET", path, _own_keys))

    async def state(self) -> BoardState:
        """Give all that the board shows."""
        return await self._send(_Call("GET", "/state", _reader(BoardState)))

    async def lease(self, lease: str) -> Lease:
        """Give a lease, released ones too (NotFound if there is none)."""
        return await self._send(_Call("GET", f"/leases/{_q(lease)}", _reader(Lease)))

    async def ticket(self, ticket: str) -> TicketShown:
        """Give a ticket with its place in the line (NotFound if there is none)."""
        path = f"/tickets/{_q(ticket)}"
        return await self._send(_Call("GET", path, _reader(TicketShown)))

    async def give_up(self, ticket: str) -> None:
        """Give a place in the line up, and what is set aside for it."""
        await self._send(_Call("DELETE", f"/tickets/{_q(ticket)}", _nothing))

    async def _send(self, call: _Call[T]) -> T:
        patience = _Patience(self._url, self._patience)
        while True:
            try:
                answer = await self._http.request(
                    call.method, call.path, json=call.body
                )
            except httpx.TransportError as error:
                pause = patience.after(str(error) or type(error).__name__)
            else:
                if answer.status_code not in _AWAY:
                    return _read(call, answer)
                pause = patience.after(f"HTTP {answer.status_code}")
            await asyncio.sleep(pause)


class NodeBoard:
    """The board for a node's agent; a context manager, for one thread at a time."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = 10.0,
        patience_seconds: float = 5.0,
    ) -> None:
        """Nothing is sent before the first call; `token` is bound to the node."""
        self._url = url
        self._patience = patience_seconds
        # When an answer came, and the ledger's version that it told.
        self._heard: deque[tuple[datetime, int]] = deque(maxlen=64)
        self._http = httpx.Client(
            base_url=url.rstrip("/") + API,
            headers={"Authorization": f"token {token}"},
            timeout=timeout_seconds,
            trust_env=False,
            verify=trusted(),
        )

    @classmethod
    def join(cls, url: str, join_token: str, *, timeout_seconds: float = 10.0) -> str:
        """Spend a one-time join token and give the node's own token.

        Raises:
            BoardForbids: the token is unknown, spent or too old.
            BoardUnreachable: no answer.
        """
        with cls(url, join_token, timeout_seconds=timeout_seconds) as board:
            return board._send(
                _Call("POST", "/join", lambda data: str(data["token"]), {})
            )

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        self._http.close()

    def report(self, report: NodeReport) -> Orders:
        """Say what the node sees, and hear what is to be done.

        Where `seen` is None it is filled in: the version that was heard last before
        `began_at`, by this machine's clock. A look that began before the board was
        ever heard proves nothing absent.
        """
        seen = report.seen
        if seen is None:
            seen = self._heard_before(report.began_at)
        path = f"/nodes/{_q(report.node)}/report"
        body = encode(replace(report, seen=seen))
        orders = self._send(_Call("POST", path, _reader(Orders), body))
        self._heard.append((datetime.now(UTC), orders.version))
        return orders

    def take(self, lease: str, taker: str) -> Lease:
        """Take a lease that is set aside.

        Raises:
            LeaseGone: it is not (any more); the text says why.
        """
        return self._send(_take(lease, taker))

    def activate(
        self, lease: str, *, engine_id: str | None = None, found: str | None = None
    ) -> Lease:
        """Say that the job runs, on which engine, and as what it is found there."""
        return self._send(_activate(lease, engine_id, found))

    def releasing(self, lease: str, reason: str) -> None:
        """Say that the job's end was asked for."""
        self._send(_change(lease, "releasing", {"reason": reason}))

    def release(self, lease: str, proof: Proof) -> None:
        """Free the devices on a proof; a released lease stays released."""
        self._send(_change(lease, "release", {"proof": encode(proof)}))

    def lose(self, lease: str, reason: str) -> None:
        """Say that nobody can tell whether the job runs."""
        self._send(_change(lease, "lost", {"reason": reason}))

    def lease(self, lease: str) -> Lease:
        """Give a lease of this node, released ones too (NotFound if there is none)."""
        return self._send(_Call("GET", f"/leases/{_q(lease)}", _reader(Lease)))

    def owner_keys(self, lease: str) -> OwnKeys | OwnerToken:
        """Give what the job of a lease acts with for its owner.

        Raises:
            BoardForbids: the lease is not of a job of this node.
            Conflict: the task is not claimed, nor does it run.
            NotFound: the owner has entered no keys.
        """
        return self._send(_Call("GET", f"/leases/{_q(lease)}/credentials", _owner))

    def epoch(self, epoch: str) -> None:
        """Say that the agent's process has begun anew: earlier ones are dead."""
        self._send(_epoch(epoch))

    def hint(self, queue: str) -> None:
        """Say that a queue has changed: the board looks at it now."""
        self._send(_Call("POST", "/hint", _nothing, {"queue": queue}))

    def _heard_before(self, moment: datetime) -> int:
        for here, version in reversed(self._heard):
            if here <= moment:
                return version
        return 0

    def _send(self, call: _Call[T]) -> T:
        patience = _Patience(self._url, self._patience)
        while True:
            try:
                answer = self._http.request(call.method, call.path, json=call.body)
            except httpx.TransportError as error:
                pause = patience.after(str(error) or type(error).__name__)
            else:
                if answer.status_code not in _AWAY:
                    return _read(call, answer)
                pause = patience.after(f"HTTP {answer.status_code}")
            time.sleep(pause)


class _Patience:
    """How long a call is tried again."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._pause = _PAUSE_SECONDS

    def after(self, reason: str) -> float:
        """Give the seconds to wait before the next try.

        Raises:
            BoardUnreachable: there is no time for one.
        """
        pause = self._pause
        if time.monotonic() + pause > self._deadline:
            msg = (
                f"The board {self._url} did not answer within {self._seconds:g} s "
                f"({reason}). Is it running?"
            )
            raise BoardUnreachable(msg)
        self._pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return pause


def _request(request: Request, taker: str | None) -> _Call[Lease | Ticket]:
    def read(data: Any) -> Lease | Ticket:
        answer = decode(Answer, data)
        given = answer.lease or answer.ticket
        if given is None:
            msg = "The answer holds neither a lease nor a ticket."
            raise WireError(msg)
        return given

    body = {"request": encode(request), "taker": taker}
    return _Call("POST", "/requests", read, body)


def _take(lease: str, taker: str) -> _Call[Lease]:
    path = f"/leases/{_q(lease)}/take"
    return _Call("POST", path, _reader(Lease), {"taker": taker})


def _activate(lease: str, engine_id: str | None, found: str | None) -> _Call[Lease]:
    body = {"engine_id": engine_id, "found": found}
    return _Call("POST", f"/leases/{_q(lease)}/active", _reader(Lease), body)


def _change(lease: str, change: str, body: dict[str, Any]) -> _Call[None]:
    return _Call("POST", f"/leases/{_q(lease)}/{change}", _nothing, body)


def _epoch(epoch: str) -> _Call[None]:
    return _Call("POST", "/epochs", _nothing, {"epoch": epoch})


def _reader(kind: type[T]) -> Callable[[Any], T]:
    return lambda data: decode(kind, data)


def _owner(data: Any) -> OwnKeys | OwnerToken:
    if "token" in data:
        return OwnerToken(str(data["user"]), str(data["token"]))
    return _own_keys(data)


def _own_keys(data: Any) -> OwnKeys:
    return OwnKeys(
        user=str(data["user"]),
        access_key=str(data["access_key"]),
        secret_key=str(data["secret_key"]),
    )


def _nothing(data: object) -> None:
    del data


def _read(call: _Call[T], answer: httpx.Response) -> T:
    try:
        data = answer.json()
    except ValueError as error:
        msg = (
            f"{answer.url} does not answer as the board does (HTTP "
            f"{answer.status_code}): is this its address?"
        )
        raise BoardUnreachable(msg) from error
    if answer.is_success:
        return call.read(data)
    said = data if isinstance(data, dict) else {}
    text = str(said.get("message") or f"HTTP {answer.status_code}")
    if answer.status_code in {401, 403}:
        raise BoardForbids(text)
    raise _ERRORS.get(str(said.get("error")), LedgerError)(text)


def _q(text: str) -> str:
    return quote(text, safe="")
