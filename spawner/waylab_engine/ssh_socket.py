"""The way to an engine over SSH: the machine's own `ssh`, in a pool of connections.

The SDK's own starts an `ssh` for every single request, has no limit of time for what it
reads, and leaves the ended programs to the garbage collector. Here `ssh` speaks through
one end of a socket pair: the other end is a socket as any other, with its timeouts.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
from typing import Any
from urllib.parse import urlsplit

from docker.transport import SSHHTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

DIAL = "docker system dial-stdio"
"""What is run on the node: docker's own way to hand its socket through."""
_OPTIONS = (
    "BatchMode=yes",  # Nobody is there to be asked for a password.
    "ConnectTimeout=5",
    # A node that is gone is noticed also where no request waits.
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
)
_END_SECONDS = 2.0


class SshAdapter(SSHHTTPAdapter):  # type: ignore[misc, unused-ignore]
    """Takes the place of the SDK's adapter in its session."""

    def __init__(self, url: str, *, timeout_seconds: float, connections: int) -> None:
        """Connect to nothing yet; `url` is `ssh://[user@]host[:port]`."""
        super().__init__(url, timeout=timeout_seconds, shell_out=True)
        self._pool = _Pool(command(url), timeout_seconds, connections)

    def get_connection(self, url: str, proxies: object = None) -> _Pool:
        """Give the one pool."""
        return self._pool

    def close(self) -> None:
        """Close what is open."""
        self._pool.close()
        super().close()


def command(url: str) -> tuple[str, ...]:
    """Give the command that reaches an engine at `ssh://[user@]host[:port]`."""
    parts = urlsplit(url)
    words = ["ssh", "-T"]
    for option in _OPTIONS:
        words += ["-o", option]
    if parts.username:
        words += ["-l", parts.username]
    if parts.port:
        words += ["-p", str(parts.port)]
    return (*words, "--", parts.hostname or "", DIAL)


class _Connection(HTTPConnection):
    def __init__(self, words: tuple[str, ...], **options: Any) -> None:
        super().__init__("localhost", **options)
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None
        self._last_words = ""

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell; see `command`.
                self._words,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the hub, not for its ways.
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
        self.sock = ours

    def getresponse(self) -> Any:
        failed: Exception
        try:
            return super().getresponse()
        except (ConnectionError, http.client.HTTPException) as error:
            failed = error
        # It is `ssh` that knows why: a key that was refused, a host not found.
        self.close()
        raise ConnectionError(self._last_words) if self._last_words else failed

    def close(self) -> None:
        super().close()
        if self._process is not None:
            self._last_words = _end(self._process)
            self._process = None


class _Pool(HTTPConnectionPool):
    def __init__(
        self, words: tuple[str, ...], timeout_seconds: float, connections: int
    ) -> None:
        super().__init__("localhost", timeout=timeout_seconds, maxsize=connections)
        self._words = words

    def _new_conn(self) -> _Connection:
        return _Connection(self._words, timeout=self.timeout.connect_timeout)


def _end(process: subprocess.Popen[bytes]) -> str:
    """End a program, and give the last line of what it complained of."""
    process.terminate()
    try:
        _, said = process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""
