"""Multipart forms, taken apart as they arrive and written straight to disk."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from waylab_tracking.errors import ApiError

WRITE_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 * 1024
MAX_FILES = 200
"""In one form; the official clients send one."""


@dataclass(frozen=True)
class Received:
    """A part of a form: its name, and the temporary file with its content."""

    name: str
    path: Path
    size_bytes: int


Meter = Callable[[int], None]
"""Called with how many bytes a form has brought so far; raises to refuse it."""
Admit = Callable[[str], Awaitable[Meter]]
"""Called with a part's name before its content is taken; raises to refuse it."""


async def receive(
    stream: AsyncIterator[bytes], content_type: str, folder: Path, admit: Admit
) -> list[Received]:
    """Write a form's files below a folder; the caller moves or removes them.

    Raises:
        ApiError: it is no form, or `admit` refuses. Nothing is left in the folder,
            and the rest of the stream was read, so that the client hears the refusal.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ApiError(400, 0, "An upload is a form of type multipart/form-data")
    form = _Form(boundary, folder, admit)
    refusal: ApiError | OSError | None = None
    try:
        async for piece in stream:
            if refusal is None:
                try:
                    await form.take(piece)
                except (ApiError, OSError) as error:
                    refusal = error
    except ClientDisconnect:
        await form.discard()
        raise
    if refusal is None and not form.complete:
        refusal = ApiError(400, 0, "The form ends in the middle")
    if refusal is not None:
        await form.discard()
        raise refusal
    return form.received


class _Form:
    def __init__(self, boundary: bytes, folder: Path, admit: Admit) -> None:
        self.received: list[Received] = []
        self.complete = False
        self._folder = folder
        self._admit = admit
        self._events: list[tuple[str, bytes]] = []
        self._field = b""
        self._value = b""
        self._disposition = b""
        self._name: str | None = None
        self._file: IO[bytes] | None = None
        self._buffer = bytearray()
        self._size = 0
        self._before = 0
        self._meter: Meter | None = None
        self._parser = MultipartParser(
            boundary,
            callbacks={
                "on_part_begin": lambda: self._events.append(("begin", b"")),
                "on_header_field": self._note("field"),
                "on_header_value": self._note("value"),
                "on_header_end": lambda: self._events.append(("header", b"")),
                "on_headers_finished": lambda: self._events.append(("open", b"")),
                "on_part_data": self._note("data"),
                "on_part_end": lambda: self._events.append(("close", b"")),
                "on_end": lambda: self._events.append(("end", b"")),
            },
        )

    def _note(self, kind: str) -> Callable[[bytes, int, int], None]:
        def note(data: bytes, start: int, end: int) -> None:
            self._events.append((kind, data[start:end]))

        return note

    async def take(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise ApiError(400, 0, f"Not a form: {error}") from error
        events, self._events = self._events, []
        for kind, data in events:
            await self._handle(kind, data)

    async def discard(self) -> None:
        if self._file is not None:
            await asyncio.to_thread(_give_up, self._file)
        for one in self.received:
            await asyncio.to_thread(one.path.unlink, missing_ok=True)

    async def _handle(self, kind: str, data: bytes) -> None:
        if kind == "data":
            self._buffer += data
            if len(self._buffer) >= WRITE_BYTES:
                await self._flush()
        elif kind == "begin":
            self._field = self._value = self._disposition = b""
        elif kind == "field":
            self._field += data
        elif kind == "value":
            self._value += data
        elif kind == "header":
            if self._field.lower() == b"content-disposition":
                self._disposition = self._value
            self._field = self._value = b""
        elif kind == "open":
            await self._open()
        elif kind == "close":
            await self._close()
        else:
            self.complete = True
        if len(self._field) + len(self._value) > MAX_HEADER_BYTES:
            raise ApiError(400, 0, "A header of the form is too long")

    async def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._size = 0
        if b"filename" not in options:
            return  # A plain field: clients send none that matter.
        if len(self.received) >= MAX_FILES:
            raise ApiError(400, 0, f"A form has at most {MAX_FILES} files")
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self._meter = await self._admit(name)
        self._name = name
        self._file = await asyncio.to_thread(
            tempfile.NamedTemporaryFile, dir=self._folder, delete=False
        )

    async def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        self._size += len(data)
        if self._meter is not None:
            self._meter(self._size + self._before)
        if self._file is not None and data:
            await asyncio.to_thread(self._file.write, data)

    async def _close(self) -> None:
        await self._flush()
        if self._file is not None and self._name is not None:
            await asyncio.to_thread(self._file.close)
            path = Path(self._file.name)
            self.received.append(Received(self._name, path, self._size))
            self._before += self._size
        self._file = self._name = None


def _give_up(file: IO[bytes]) -> None:
    # Closing writes what is left, which a full disk refuses once more.
    with suppress(OSError):
        file.close()
    Path(file.name).unlink(missing_ok=True)
