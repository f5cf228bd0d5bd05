"""A recorder around the server, for tests that check what it answered.

`python -m waylab_tracking.recording` is the server of `python -m waylab_tracking`
that also appends every call of the API, with its answer, to the file named by
`WAYLAB_TRACKING_RECORD`: one JSON object a line.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from waylab_tracking.__main__ import main

ENDPOINT = re.compile(r"/(?:v[0-9.]+/)?([a-z_]+\.[a-z0-9_]+)$")


class Recorder:
    """Passes everything on, and writes calls and answers down."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        """`path` is appended to."""
        self._app = app
        self._path = path

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
            await send(message)

        await self._app(scope, hear, say)
        self._write(found[1], bytes(asked), status, bytes(answered))

    def _write(self, endpoint: str, asked: bytes, status: int, answer: bytes) -> None:
        record = {
            "endpoint": endpoint,
            "request": asked.decode("utf-8", "replace"),
            "status": status,
            "data": _data(answer),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _data(answer: bytes) -> Any:
    try:
        return json.loads(answer)["data"]
    except (ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    path = Path(os.environ["WAYLAB_TRACKING_RECORD"])
    sys.exit(main(lambda app: Recorder(app, path)))
