"""Little servers, each with one fault, and the embedded one, which has none."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.served import named

from waylab_hub.checks import Verdict
from waylab_hub.server_checks import PUBLIC_KEYS, server_checks
from waylab_site.model import Tracking
from waylab_tracking.testing import running_server

KEYS = ("access", "secret")


@dataclass(frozen=True)
class Faults:
    default_key: str = ""
    origin: str = ""
    server: str = "2.0.0"
    api: str = "2.23"


Serve = Callable[[Faults], str]


@contextmanager
def little_server(faults: Faults) -> Iterator[str]:
    """Run a server that knows one key pair; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            sent = self.headers["Authorization"].removeprefix("Basic ")
            user = base64.b64decode(sent).decode().partition(":")[0]
            known = user in (KEYS[0], faults.default_key)
            claims = {"server_version": faults.server, "api_version": faults.api}
            token = jwt.encode(claims, "x" * 32, algorithm="HS256")
            data = {"token": token} if known else {}
            self.answer(200 if known else 401, {"meta": {}, "data": data})

        def do_GET(self) -> None:
            self.answer(200, {})

        def answer(self, status: int, content: Any) -> None:
            self.send_response(status)
            if faults.origin:
                self.send_header("Access-Control-Allow-Origin", faults.origin)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as running:

        def serve(faults: Faults) -> str:
            return running.enter_context(little_server(faults))

        yield serve


def bad(url: str, sdk: str = "2.1.12", **more: str) -> list[str]:
    urls = {"api_url": url, "web_url": url, "files_url": f"{url}/files", **more}
    checks = list(server_checks(Tracking(**urls), KEYS, sdk))
    return [one.name for one in checks if one.verdict is Verdict.BAD]


@pytest.mark.parametrize(
    ("faults", "name"),
    [
        *((Faults(default_key=key), "ClearML default keys") for key, _ in PUBLIC_KEYS),
        (Faults(origin="*"), "ClearML CORS"),
        (Faults(server="1.9.2"), "ClearML version"),
        (Faults(api="2.9"), "ClearML version"),
        (Faults(), None),
    ],
)
def test_each_fault_of_a_server_is_found_alone(
    serve: Serve, faults: Faults, name: str | None
) -> None:
    assert bad(serve(faults)) == ([name] if name else [])


def test_an_sdk_of_another_generation_does_not_fit(serve: Serve) -> None:
    assert bad(serve(Faults()), sdk="1.18.0") == ["ClearML version"]


def test_plain_http_beyond_this_machine_is_refused(serve: Serve) -> None:
    found = bad(serve(Faults()), web_url="http://app.clearml.example")
    assert found == ["ClearML encryption"]


def test_the_embedded_server_passes(tmp_path: Path) -> None:
    with running_server(tmp_path, strict="true") as server:
        keys = server.create_user("service", "admin")
        checks = list(server_checks(named(server), keys))
    assert {one.verdict for one in checks} == {Verdict.OK}, checks
