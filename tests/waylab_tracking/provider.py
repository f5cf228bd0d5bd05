"""A small OAuth2 provider that lets everybody in under one name."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "tracking-client", "tracking-secret"


class Provider:
    """The provider's memory, and what it was told."""

    def __init__(self) -> None:
        self.name = "ann"
        self.challenges: dict[str, str] = {}
        self.url = ""

    def authorize(self, query: dict[str, list[str]]) -> str:
        code = f"code-{len(self.challenges)}"
        self.challenges[code] = query["code_challenge"][0]
        answer = urlencode({"code": code, "state": query["state"][0]})
        return f"{query['redirect_uri'][0]}?{answer}"

    def token(self, form: dict[str, list[str]]) -> bool:
        hashed = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        known = self.challenges.pop(form["code"][0], None)
        secret = (form["client_id"][0], form["client_secret"][0])
        return known == challenge and secret == (CLIENT, SECRET)


@contextmanager
def running_provider() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/authorize":
                self.send_response(302)
                where = provider.authorize(parse_qs(url.query))
                self.send_header("Location", where)
                self.end_headers()
            elif self.headers["Authorization"] == "Bearer the-token":
                self._answer({"name": provider.name})
            else:
                self.send_error(401)

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if provider.token(parse_qs(text)):
                self._answer({"access_token": "the-token"})
            else:
                self.send_error(400)

        def _answer(self, body: dict[str, str]) -> None:
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        provider.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield provider
        server.shutdown()
        thread.join()
