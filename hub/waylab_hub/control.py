"""The supervisor's control socket: one question a connection, in JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from waylab_hub.errors import ControlError, HubError

Answer = dict[str, Any]
Handler = Callable[[Answer], Awaitable[Answer]]

_LONGEST_LINE = 1024 * 1024


@asynccontextmanager
async def serve(path: Path, handler: Handler) -> AsyncIterator[None]:
    """Answer questions at a socket, 0600, until the context ends."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            question = json.loads(await reader.readline())
            reply = await handler(question)
        except HubError as error:
            reply = {"error": str(error)}
        except (ValueError, KeyError, TypeError, ConnectionError) as error:
            reply = {"error": f"The question is not understood: {error!r}."}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    _remove(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(path) as short:
        mask = os.umask(0o177)
        try:
            listener.bind(short)
        finally:
            os.umask(mask)
    server = await asyncio.start_unix_server(answer, sock=listener)
    try:
        yield
    finally:
        server.close()
        _remove(path)


def ask(path: Path, question: Answer, *, timeout_seconds: float = 120.0) -> Answer:
    """Ask the supervisor and give its answer.

    Raises:
        ControlError: it does not run, does not answer in time, or refuses.
    """
    try:
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
            _short(path) as short,
        ):
            connection.settimeout(timeout_seconds)
            connection.connect(short)
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline(_LONGEST_LINE)
    except PermissionError as error:
        msg = f"{path} may not be used: run this as the account that runs Waylab."
        raise ControlError(msg) from error
    except TimeoutError as error:
        msg = f"The supervisor did not answer within {timeout_seconds:g} s."
        raise ControlError(msg) from error
    except OSError as error:
        msg = "Waylab does not run here: start it with `waylab up`."
        raise ControlError(msg) from error
    if not line:
        msg = "The supervisor ended before it answered."
        raise ControlError(msg)
    answer: Answer = json.loads(line)
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a name for a socket that fits in the 108 bytes that the kernel allows."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)
