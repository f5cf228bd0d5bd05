"""An engine that answers what a test tells it to: slow, broken, wrong or lying."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from waylab_engine.address import EngineAddress

ID = "RIGHT:ENGINE"
CONTAINER = "c0ffee" * 10
Answer = Callable[[BaseHTTPRequestHandler], None]


def body(status: int, content: object) -> Answer:
    """Answer with JSON."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, status, json.dumps(content).encode())

    return answer


def raw(status: int, content: bytes, announced: int | None = None) -> Answer:
    """Answer with these bytes, perhaps fewer than announced."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, status, content, announced)

    return answer


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    content: bytes,
    announced: int | None = None,
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(announced or len(content)))
    request.send_header("Connection", "close")
    request.end_headers()
    request.wfile.write(content)


def state(status: str, **fields: object) -> dict[str, Any]:
    running = status in {"running", "paused", "restarting"}
    return {
        "Id": CONTAINER,
        "Name": "/waylab-x",
        "Config": {"Labels": {}, "Image": "i"},
        "NetworkSettings": {},
        "State": {
            "Status": status,
            "Running": running,
            "Pid": 4711 if running else 0,
            "ExitCode": 137 if status == "exited" else 0,
            **fields,
        },
    }


class LyingEngine:
    """`info` and `container` are the answers; `over` ends what hangs."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.info: list[Answer] = [body(200, {"ID": ID, "NCPU": 4})]
        self.container: Answer = body(200, state("running"))
        self.listing: Answer = body(200, [])
        self.asked: list[str] = []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                engine.asked.append(self.path)
                engine.choose(self.path)(self)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    @property
    def address(self) -> EngineAddress:
        return EngineAddress(f"tcp://127.0.0.1:{self.port}")

    def choose(self, path: str) -> Answer:
        if path.endswith("/version"):
            return body(200, {"ApiVersion": "1.41"})
        if path.endswith("/info"):
            return self.info.pop(0) if len(self.info) > 1 else self.info[0]
        if "/containers/json" in path:
            return self.listing
        return self.container

    def hang(self, request: BaseHTTPRequestHandler) -> None:
        """Answer nothing at all."""
        self.over.wait(30)
        request.close_connection = True

    def trickle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a byte now and then, for ever."""
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        while not self.over.wait(0.05):
            try:
                request.wfile.write(b" ")
                request.wfile.flush()
            except OSError:
                return

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def lying_engine() -> Iterator[LyingEngine]:
    engine = LyingEngine()
    try:
        yield engine
    finally:
        engine.close()
