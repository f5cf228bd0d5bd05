"""A proxy before a real server that strikes at one exact request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Moment(StrEnum):
    """When to strike: the request has not reached the server yet, or it has."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Fault:
    """Strikes once at an endpoint; the caller never gets its answer."""

    endpoint: str
    moment: Moment
    strike: Callable[[], None] = lambda: None
    struck: threading.Event = field(default_factory=threading.Event)


@dataclass
class FaultyServer:
    """The proxy's address; `fault` may be set at any time."""

    url: str
    fault: Fault | None = None


@contextmanager
def faulty(target: str) -> Iterator[FaultyServer]:
    """Stand before the server at `target`."""
    host = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            content = self.rfile.read(length)
            fault = proxy.fault
            hit = fault is not None and self.path.endswith(f"/{fault.endpoint}")
            if hit and fault and not fault.struck.is_set():
                if fault.moment is Moment.AFTER:
                    self._forward(content)
                fault.struck.set()
                fault.strike()
                self.close_connection = True
                self.connection.close()
                return
            status, kind, answer = self._forward(content)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST  # noqa: N815 - the base class wants this name.

        def _forward(self, content: bytes) -> tuple[int, str, bytes]:
            link = HTTPConnection(host.hostname or "", host.port, timeout=20)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {"host", "connection", "content-length"}
            }
            try:
                link.request(self.command, self.path, content, headers)
                answer = link.getresponse()
                return (
                    answer.status,
                    answer.headers.get("content-type", ""),
                    answer.read(),
                )
            finally:
                link.close()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A caller that was killed is what these tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy = FaultyServer(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
