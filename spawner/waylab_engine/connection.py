"""One engine's HTTP connection, and its answers as values or errors.

Every call runs on a thread of the engine's own and is given up after its time: a hung
engine costs its callers that time, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, ParamSpec, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException
from docker.tls import TLSConfig

from waylab_engine.address import EngineAddress
from waylab_engine.errors import (
    ContainerConflict,
    ContainerMissing,
    EngineError,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    ImageMissing,
)
from waylab_engine.ssh_socket import SshAdapter
from waylab_engine.unix_socket import SocketAdapter

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 64
"""At most so many calls to one engine at once; threads are made as needed."""

_OLDEST_API = "1.24"
"""The SDK makes no client for less; only the version is asked with it."""
_ADAPTERS = {"unix": SocketAdapter, "ssh": SshAdapter}
_CONFLICT = 409
_NOT_FOUND = 404


class Connection:
    """Calls to one engine, each with a hard limit of time. Thread-safe."""

    def __init__(
        self, address: EngineAddress, *, timeout_seconds: float, slow_seconds: float
    ) -> None:
        """Nothing is asked of the engine before the first call."""
        self.address = address
        self.timeout_seconds = timeout_seconds
        self.slow_seconds = slow_seconds
        name = f"engine {address}"
        self.pool = ThreadPoolExecutor(THREADS, name)
        self._waiters = ThreadPoolExecutor(THREADS, f"{name} (waiting)")
        self._lock = threading.Lock()
        self._client: Any = None

    def close(self) -> None:
        """Give up the calls that wait, and let go of the connections. Idempotent."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self._waiters.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def client(self) -> Any:
        """Give docker's own client. The first time, it asks for the engine's version.

        Call it on one of the engine's threads (`run`).
        """
        if self._client is None:
            client = self._connect()
            with self._lock:
                if self._client is None:
                    self._client = client
        return self._client

    def run(self, function: Callable[[Any], T], seconds: float | None = None) -> T:
        """Call with docker's client, on the engine's threads.

        Raises:
            EngineTimeout: there is no answer after `seconds` (default: the engine's
                timeout).
            EngineError: as `told` translates the SDK's errors.
        """
        limit = self.timeout_seconds if seconds is None else seconds
        try:
            future = self.pool.submit(lambda: function(self.client()))
        except RuntimeError as error:
            msg = f"The connection to the engine {self.address} is closed."
            raise EngineUnreachable(msg) from error
        try:
            return future.result(limit)
        except FutureTimeout as error:
            future.cancel()
            raise self._timed_out(limit) from error
        except (DockerException, requests.RequestException, OSError) as error:
            raise self.told(error) from error
        except ValueError as error:
            msg = f"The engine {self.address} gave half an answer: {error}."
            raise EngineUnreachable(msg) from error

    async def call(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Await a blocking method of this engine, on threads of its own."""
        loop = asyncio.get_running_loop()
        bound = functools.partial(function, *args, **kwargs)
        return await loop.run_in_executor(self._waiters, bound)

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> tuple[int, object]:
        """Give the status and the decoded JSON (None if it is none) of a GET.

        Raises:
            EngineUnreachable: no answer, or one that was cut off.
        """
        limit = self.timeout_seconds if seconds is None else seconds

        def ask(client: Any) -> tuple[int, object]:
            url = f"{client.base_url}/v{client.api_version}{path}"
            answer = client.get(url, params=params, timeout=limit)
            try:
                return answer.status_code, json.loads(answer.content)
            except ValueError:
                return answer.status_code, None

        return self.run(ask, limit)

    def get_ok(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Give the decoded JSON of a GET.

        Raises:
            EngineError: no answer, an error, or half an answer.
        """
        status, body = self.get(path, params)
        if status != requests.codes.ok:
            message = body.get("message") if isinstance(body, Mapping) else None
            raise self.refused(status, str(message or "no message"))
        if body is None:
            msg = f"The engine {self.address} gave half an answer to {path}."
            raise EngineUnreachable(msg)
        return body

    def told(self, error: Exception) -> EngineError:
        """Translate an error of the SDK or below."""
        if isinstance(error, APIError) and error.status_code is not None:
            said = error.explanation or str(error)
            return self.refused(int(error.status_code), str(said))
        if isinstance(error, requests.Timeout | TimeoutError):
            return self._timed_out(self.timeout_seconds)
        msg = f"The engine {self.address} does not answer: {_deepest(error)}."
        return EngineUnreachable(msg)

    def refused(self, status: int, message: str) -> EngineRefused:
        """Make the error of an answer that is one."""
        text = f"The engine {self.address} answers {status}: {message.strip()}"
        lowered = message.lower()
        if status == _NOT_FOUND and "no such container" in lowered:
            return ContainerMissing(text, status)
        if status == _NOT_FOUND and "no such image" in lowered:
            return ImageMissing(text, status)
        if status == _CONFLICT:
            return ContainerConflict(text, status)
        return EngineRefused(text, status)

    def _connect(self) -> Any:
        folder = self.address.tls_folder
        tls: Any = False
        if folder is not None:
            tls = TLSConfig(
                client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
                ca_cert=str(folder / "ca.pem"),
                verify=True,
            )
        # The SDK would ask for the engine's version itself, over its own adapter.
        first = self._client_for(tls, _OLDEST_API, self.timeout_seconds)
        with contextlib.closing(first):
            answer = first.version(api_version=False)
        version = answer.get("ApiVersion") if isinstance(answer, Mapping) else None
        if not isinstance(version, str):
            msg = f"What answers at {self.address} is not a container engine."
            raise EngineUnreachable(msg)
        return self._client_for(tls, version, self.slow_seconds)

    def _client_for(self, tls: Any, version: str, seconds: float) -> Any:
        client = docker.APIClient(
            base_url=self.address.url,
            tls=tls,
            version=version,
            timeout=seconds,
            max_pool_size=THREADS,
            use_ssh_client=self.address.url.startswith("ssh://"),
        )
        # A list of authorities or a proxy in the environment would take the place of
        # what the site says of this engine.
        client.trust_env = False
        url = self.address.url
        kind = _ADAPTERS.get(url.partition("://")[0])
        if kind is not None:
            adapter = kind(url, timeout_seconds=seconds, connections=THREADS)
            client.mount(client.base_url, adapter)
        return client

    def _timed_out(self, seconds: float) -> EngineTimeout:
        return EngineTimeout(
            f"The engine {self.address} gave no answer within {seconds:g} s: whether "
            "it did what was asked is not known."
        )


def _deepest(error: BaseException) -> str:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__
