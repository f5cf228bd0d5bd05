"""A recorder around the server, for tests that check what it is asked and answers.

With `WAYLAB_TRACKING_RECORD` each process appends every call of the API, with its
answer, to a file of its own in that folder: one JSON object a line, without secrets.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from waylab_tracking.moment import new_id

ENDPOINT = re.compile(r"/(?:v[0-9.]+/)?([a-z_]+\.[a-z0-9_]+)$")
CLIENTS = (b"x-clearml-agent", b"x-clearml-client")
SECRETS = frozenset({"token", "secret_key"})


class Recorder:
    """Passes everything on, and writes calls and answers down."""

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        """The folder is made if it is not there."""
        self._app = app
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{new_id()[:8]}.jsonl"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        found = ENDPOINT.search(scope.get("path", ""))
        if scope["type"] != "http" or found is None:
            await self._app(scope, receive, send)
            return
        asked, answered, status = bytearray(), bytearray(), 0

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                # Who has the answer may count on the record.
                self._write(found[1], scope, bytes(asked), status, bytes(answered))
            await send(message)

        await self._app(scope, hear, say)

    def _write(
        self, endpoint: str, scope: Scope, asked: bytes, status: int, answer: bytes
    ) -> None:
        record = {
            "endpoint": endpoint,
            "client": _client(scope),
            "request": asked.decode("utf-8", "replace"),
            "status": status,
            "data": _data(answer),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _client(scope: Scope) -> str:
    """Give the official client that asks, such as `clearml-2.1.12`; else nothing."""
    headers = dict(scope["headers"])
    found = next((headers[name] for name in CLIENTS if name in headers), b"")
    agent = CLIENTS[0] in headers
    return f"agent-{found.decode('latin-1')}" if agent else found.decode("latin-1")


def _data(answer: bytes) -> Any:
    try:
        return _open(json.loads(answer)["data"])
    except (ValueError, KeyError, TypeError):
        return None


def _open(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    return {
        name: "left out" if name in SECRETS else _open(value)
        for name, value in data.items()
    }
