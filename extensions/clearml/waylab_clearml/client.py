"""The one seam to a ClearML server: calls, uploads, downloads."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlsplit

import httpx

from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import (
    ApiError,
    BadRequest,
    ClearMLError,
    Forbidden,
    NotFound,
    ProtocolError,
    Unauthorized,
    Unreachable,
)

# "Busy" or "away for a moment": the request was not carried out.
RETRIED_STATUS = frozenset({429, 503})
# A proxy gave up: whether the request was carried out is not known.
UNSURE_STATUS = frozenset({502, 504})
# ClearML's subcodes of 400 for "no such task / project / model / queue / ...".
NOT_FOUND_SUBCODES = frozenset({100, 101, 201, 400, 401, 701})
# What the SDK leaves unquoted in file paths; both must name the same file.
UNQUOTED = "'[]{}()$^,.; -_+=/"
UNAUTHORIZED = 401
EXECUTION_HEADER = "X-Waylab-Execution"


class Client:
    """A connection to a ClearML server with one set of credentials.

    A context manager; may be shared by threads. It logs in when first needed.
    """

    def __init__(
        self, credentials: Credentials, *, timeout_seconds: float = 30.0
    ) -> None:
        """Prepare a client; nothing is sent yet.

        `timeout_seconds` bounds how long a call waits for a server that is away or
        busy; an upload or download may take longer while bytes flow.
        """
        self.credentials = credentials
        self.timeout_seconds = timeout_seconds
        headers = {"X-ClearML-Client": "waylab"}
        if credentials.impersonate:
            headers["X-Clearml-Impersonate-As"] = credentials.impersonate
        self._http = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout_seconds),
            trust_env=not _is_loopback(credentials.api_url),
            verify=_trusted(),
        )
        self._lock = threading.Lock()
        self._token: str | None = None
        self._given_token = credentials.token
        self._renew_at = 0.0

    def __enter__(self) -> Self:
        """Give the client itself."""
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

    def call(
        self,
        endpoint: str,
        body: dict[str, Any] | None = None,
        *,
        execution: str = "",
    ) -> dict[str, Any]:
        """POST a request such as `tasks.get_all` and give the answer's `data`.

        `execution` tells on behalf of which execution of a task it is: the embedded
        server refuses what is of one that was given up; others do not look at it.

        Raises:
            Unreachable: no answer in time. ApiError: the server refused.
        """
        url = f"{self.credentials.api_url}/{endpoint}"
        also = {EXECUTION_HEADER: execution} if execution else {}
        answer = self._request(
            lambda token: self._http.build_request(
                "POST", url, json=body or {}, headers=_bearer(token) | also
            ),
            what=endpoint,
            repeatable=endpoint.partition(".")[2].startswith(("get_", "scalar_")),
        )
        return _data(answer, endpoint)

    def upload(
        self, target_path: str, content: bytes | BinaryIO, content_type: str
    ) -> str:
        """Store a file and give its URL; an existing one is replaced.

        `target_path` is relative to the file server's root, as in
        `<project>/<task name>.<task id>/artifacts/<key>/<file>` (see `task_folder`).

        Raises:
            Unreachable: no answer in time. ApiError: the server refused.
        """
        name = quote(target_path, safe=f"{UNQUOTED}%")
        part = (name.rpartition("/")[2], content, content_type)

        def build(token: str) -> httpx.Request:
            if not isinstance(content, bytes):
                content.seek(0)
            # The file server takes the part's *name* for the path to write to.
            return self._http.build_request(
                "POST",
                f"{self.credentials.files_url}/",
                files={name: part},
                headers=_bearer(token),
            )

        answer = self._request(build, what=f"upload of {target_path}", repeatable=True)
        if answer.is_error:
            raise _refusal(answer, f"upload of {target_path}")
        return f"{self.credentials.files_url}/{quote(name)}"

    def download(self, url: str, *, allow_foreign: bool = False) -> Iterator[bytes]:
        """Give the bytes of a file in pieces.

        Credentials go to the site's file server only; another host is refused unless
        `allow_foreign`, and is then asked without them.

        Raises:
            Forbidden: another host. NotFound: no such file. ClearMLError.
        """
        home = url.startswith(f"{self.credentials.files_url}/")
        if not home and not allow_foreign:
            msg = (
                f"{url} is not on the file server {self.credentials.files_url}: "
                "it is not fetched with your credentials."
            )
            raise Forbidden(msg, endpoint=url)
        answer = self._request(
            lambda token: self._http.build_request(
                "GET", url, headers=_bearer(token) if home else {}
            ),
            what=f"download of {url}",
            repeatable=True,
            stream=True,
        )
        try:
            if answer.is_error:
                answer.read()
                raise _refusal(answer, f"download of {url}")
            try:
                yield from answer.iter_bytes()
            except httpx.HTTPError as error:
                msg = f"The download of {url} broke off: {error}."
                raise Unreachable(msg) from error
        finally:
            answer.close()

    def read(self, url: str, *, limit_bytes: int) -> bytes:
        """Give a whole file of at most `limit_bytes` (ProtocolError if larger)."""
        pieces: list[bytes] = []
        size = 0
        for piece in self.download(url):
            size += len(piece)
            if size > limit_bytes:
                msg = f"{url} is larger than the {limit_bytes} bytes expected of it."
                raise ProtocolError(msg)
            pieces.append(piece)
        return b"".join(pieces)

    def token(self) -> str:
        """Give a valid token, logging in if there is none yet.

        A job's token is renewed well before it expires: afterwards it could not be.
        """
        with self._lock:
            now = time.time()
            ageing = self._given_token is not None and self._renew_at < now
            if self._token is None:
                self._token = self._login()
            elif ageing:
                # What is still valid goes on serving if the server is away now.
                with contextlib.suppress(ClearMLError):
                    self._token = self._login()
            if ageing:
                self._renew_at = now + max(60.0, (_expiry(self._token) - now) / 2)
            return self._token

    @property
    def current_token(self) -> str | None:
        """The token in use; None before the first call. Nothing is sent."""
        return self._token

    def _request(
        self,
        build: Callable[[str], httpx.Request],
        *,
        what: str,
        repeatable: bool,
        stream: bool = False,
    ) -> httpx.Response:
        token = self.token()
        answer = self._send(
            lambda: build(token), what=what, repeatable=repeatable, stream=stream
        )
        if answer.status_code != UNAUTHORIZED:
            return answer
        answer.close()
        with self._lock:
            if self._token == token:  # Else another thread has logged in again.
                self._token = self._login()
            fresh = self._token or ""
        return self._send(
            lambda: build(fresh), what=what, repeatable=repeatable, stream=stream
        )

    def _send(
        self,
        build: Callable[[], httpx.Request],
        *,
        what: str,
        repeatable: bool,
        stream: bool = False,
    ) -> httpx.Response:
        deadline = time.monotonic() + self.timeout_seconds
        pause = 0.05
        while True:
            reason: str
            try:
                answer = self._http.send(build(), stream=stream)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as e:
                reason = str(e) or type(e).__name__
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
                if not repeatable:
                    msg = f"{self._server} broke off during {what}: {reason}."
                    raise Unreachable(msg) from error
            else:
                status = answer.status_code
                if status not in RETRIED_STATUS and not (
                    status in UNSURE_STATUS and repeatable
                ):
                    return answer
                reason = f"HTTP {status}"
                answer.close()
            if time.monotonic() + pause >= deadline:
                msg = (
                    f"{self._server} did not answer {what} within "
                    f"{self.timeout_seconds:g} s ({reason}). Is it running?"
                )
                raise Unreachable(msg)
            # Jitter keeps many waiting clients from coming back all at once.
            time.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311
            pause = min(pause * 2, 2.0)

    def _login(self) -> str:
        url = f"{self.credentials.api_url}/auth.login"
        token = self._token or self._given_token
        has_keys = self.credentials.access_key and self.credentials.secret_key
        basic = (
            (self.credentials.access_key or "", self.credentials.secret_key or "")
            if has_keys
            else None
        )

        def build() -> httpx.Request:
            headers = {} if basic else _bearer(token or "")
            request = self._http.build_request("POST", url, json={}, headers=headers)
            if basic:
                scheme = httpx.BasicAuth(*basic)
                return next(scheme.auth_flow(request))
            return request

        answer = self._send(build, what="auth.login", repeatable=True)
        data = _data(answer, "auth.login")
        fresh = data.get("token")
        if not isinstance(fresh, str):
            msg = f"{self._server} gave no token: is this a ClearML API server?"
            raise ProtocolError(msg)
        return fresh

    @property
    def _server(self) -> str:
        return f"The server {self.credentials.api_url}"


def task_folder(project: str, name: str, task_id: str) -> str:
    """Give the folder of a task on the file server, as the SDK would name it."""
    folder = f"{name[: 128 - len(task_id) - 1]}.{task_id}"
    return "/".join(quote(part, safe=UNQUOTED) for part in (project[:255], folder))


def _expiry(token: str) -> float:
    """Give the time at which a JWT expires; the far future if it does not say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(
            base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        )
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return math.inf


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@cache
def _trusted() -> ssl.SSLContext:
    """Read the authorities once a process: that takes tens of milliseconds."""
    return httpx.create_ssl_context()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _data(answer: httpx.Response, endpoint: str) -> dict[str, Any]:
    try:
        envelope = answer.json()
        data, _ = envelope.get("data"), envelope["meta"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = (
            f"{answer.url} does not answer as ClearML does (HTTP {answer.status_code}, "
            f"{answer.text[:100]!r}): is this the address of an API server?"
        )
        raise ProtocolError(msg) from error
    if answer.is_error:
        raise _refusal(answer, endpoint)
    return data if isinstance(data, dict) else {}


def _refusal(answer: httpx.Response, what: str) -> ClearMLError:
    try:
        meta = answer.json()["meta"]
        text, subcode = str(meta["result_msg"]), int(meta.get("result_subcode") or 0)
    except (ValueError, KeyError, TypeError):
        text, subcode = answer.text[:200] or answer.reason_phrase, 0
    status = answer.status_code
    kind: type[ApiError] = ApiError
    if status == UNAUTHORIZED:
        kind = Unauthorized
    elif status == 403:  # noqa: PLR2004 - the number is the name.
        kind = Forbidden
    elif status == 404 or (status == 400 and subcode in NOT_FOUND_SUBCODES):  # noqa: PLR2004
        kind = NotFound
    elif status == 400:  # noqa: PLR2004
        kind = BadRequest
    msg = f"{what} was refused: {text} ({status}/{subcode})."
    return kind(msg, endpoint=what, status=status, subcode=subcode)
