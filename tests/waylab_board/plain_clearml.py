"""A ClearML server without Waylab's additions: a door before the embedded one."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from waylab_site.model import Tracking

_OURS = re.compile(r"(/v[\d.]+)?/waylab\.\w+")
_KEPT_BACK = {
    *("connection", "content-length"),
    *("x-clearml-impersonate-as", "x-waylab-execution"),
}


class PlainClearML:
    """Its address, and what it was asked for in vain."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.refused: list[str] = []

    @property
    def tracking(self) -> Tracking:
        """The server as a site names it."""
        return Tracking(
            api_url=self.url, web_url=self.url, files_url=f"{self.url}/files"
        )


@contextmanager
def plain_clearml(target: str) -> Iterator[PlainClearML]:
    """Stand before the server at `target`.

    `waylab.*` is unknown there, as to a ClearML Server, and nobody acts for others.
    """
    host = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = urlsplit(self.path).path
            if _OURS.fullmatch(path) or "x-clearml-impersonate-as" in self.headers:
                door.refused.append(path)
                self._answer(400, "application/json", _unknown(path))
                return
            link = HTTPConnection(host.hostname or "", host.port, timeout=30)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in _KEPT_BACK
            }
            try:
                link.request(self.command, self.path, content, headers)
                answer = link.getresponse()
                kind = answer.headers.get("content-type", "")
                self._answer(answer.status, kind, answer.read())
            finally:
                link.close()

        do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 - the base's names.

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A caller that is ended in the middle is no fault here."""

    server = Server(("127.0.0.1", 0), Handler)
    door = PlainClearML(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _unknown(path: str) -> bytes:
    meta = {
        "result_code": 400,
        "result_subcode": 0,
        "result_msg": f"Invalid request path {path}",
        "error_stack": None,
        "error_data": {},
    }
    return json.dumps({"meta": meta, "data": {}}).encode()
