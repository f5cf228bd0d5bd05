"""The way to an engine over its socket: one pool of connections, none left open.

The SDK's own keeps a pool for every address that was ever asked for, and leaves the
socket of a connection that was refused to the garbage collector.
"""

from __future__ import annotations

import socket

from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool


class _Connection(UnixHTTPConnection):  # type: ignore[misc, unused-ignore]
    def connect(self) -> None:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(self.timeout)
            connected.connect(self.unix_socket)
        except BaseException:
            connected.close()
            raise
        self.sock = connected


class _Pool(UnixHTTPConnectionPool):  # type: ignore[misc, unused-ignore]
    def _new_conn(self) -> _Connection:
        return _Connection(self.base_url, self.socket_path, self.timeout)


class SocketAdapter(UnixHTTPAdapter):  # type: ignore[misc, unused-ignore]
    """Takes the place of the SDK's adapter in its session."""

    def __init__(self, url: str, *, timeout_seconds: float, connections: int) -> None:
        """Connect to nothing yet; `url` is `unix:///path`."""
        path = url.removeprefix("unix://")
        super().__init__(f"http+unix://{path}", timeout=timeout_seconds)
        self._pool = _Pool(
            "http+docker://localhost", path, timeout_seconds, maxsize=connections
        )

    def get_connection(self, url: str, proxies: object = None) -> _Pool:
        """Give the one pool."""
        return self._pool

    def close(self) -> None:
        """Close what is open."""
        self._pool.close()
        super().close()
