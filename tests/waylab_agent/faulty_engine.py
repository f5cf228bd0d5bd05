"""A proxy before a real engine's socket that strikes at one exact request."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waylab_agent.faulty import Fault, FaultyServer, Moment

CREATE = r"POST /v[\d.]+/containers/create\b"
START = r"POST /v[\d.]+/containers/[^/]+/start$"
INSPECT = r"GET /v[\d.]+/containers/[^/]+/json$"
REMOVE = r"DELETE /v[\d.]+/containers/[^/]+$"
LOGS = r"GET /v[\d.]+/containers/[^/]+/logs\b"


class _SocketConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


@contextmanager
def faulty_engine(socket_path: str) -> Iterator[FaultyServer]:
    """Stand before the engine at a socket; its `url` is `tcp://…`.

    A fault's `endpoint` is a pattern of method and path.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            content = self.rfile.read(length)
            fault = proxy.fault
            asked = f"{self.command} {self.path.partition('?')[0]}"
            if fault is not None and re.search(fault.endpoint, asked):
                first = not fault.struck.is_set()
                if first and fault.moment is Moment.AFTER:
                    with self._forward(content) as answer:
                        answer.read()
                if first:
                    fault.struck.set()
                    fault.strike()
                    self.close_connection = True
                    self.connection.close()
                    return
            with self._forward(content) as answer:
                self._give(answer)

        do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815 - named so there.

        @contextmanager
        def _forward(self, content: bytes) -> Iterator[HTTPResponse]:
            link = _SocketConnection(socket_path)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {"host", "connection", "content-length"}
            }
            try:
                link.request(self.command, self.path, content or None, headers)
                yield link.getresponse()
            finally:
                link.close()

        def _give(self, answer: HTTPResponse) -> None:
            self.send_response(answer.status)
            for name in ("content-type", "api-version", "ostype"):
                if (value := answer.headers.get(name)) is not None:
                    self.send_header(name, value)
            if answer.status in {204, 304} or self.command == "HEAD":
                self.end_headers()
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while piece := answer.read1(65536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A caller that was killed is what these tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy = FaultyServer(url=f"tcp://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


__all__ = ["Fault", "FaultyServer", "Moment", "faulty_engine"]
