"""Bringing a job's console log to the server: every line, once, whatever restarts.

Before a batch is sent, its end and its timestamps are noted. If the answer to it is
lost (the server or the agent died), the server is asked for these timestamps before
anything is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from waylab_agent.console import Position, take
from waylab_agent.journal import JobFolder, replace_file
from waylab_clearml.client import Client

PORTION_BYTES = 1 << 20
PORTIONS_AT_ONCE = 8
PARTIAL_LINE_SECONDS = 2.0
_LOOK_BACK_EVENTS = 1000


class Pending(BaseModel):
    """A batch that was sent, or was about to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    end_offset: int
    end_in_preamble: bool
    first_timestamp_ms: int


class Shipped(BaseModel):
    """How much of a log the server has, as kept in the job's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: int = 0
    in_preamble: bool = False
    last_timestamp_ms: int = 0
    pending: Pending | None = None


@dataclass
class Shipper:
    """Sends one job's console log."""

    client: Client
    folder: JobFolder
    task_id: str
    worker: str
    execution: str = ""

    def __post_init__(self) -> None:
        """Go on where the job's folder says."""
        self._partial_since: float | None = None
        try:
            text = self.folder.shipped.read_text("utf-8")
            self._state = Shipped.model_validate_json(text)
        except (OSError, ValidationError):
            self._state = Shipped()

    def ship(self, *, final: bool = False) -> bool:
        """Send what the log has grown by; True if the server now has all of it.

        `final`: the log has ended, so an incomplete last line goes too.

        Raises:
            ClearMLError: the server does not answer or refuses; nothing is lost.
        """
        self._settle_pending()
        for _ in range(PORTIONS_AT_ONCE):
            content = self._read(self._state.offset, PORTION_BYTES)
            if not content:
                self._partial_since = None
                return True
            flush = (
                (final and len(content) < PORTION_BYTES)
                or (len(content) == PORTION_BYTES and b"\n" not in content)
                or (b"\n" not in content and self._waited())
            )
            position = Position(self._state.offset, self._state.in_preamble)
            piece = take(position, content, flush=flush)
            if piece.end.offset == position.offset:
                return False
            self._partial_since = None
            self._send(piece.messages, piece.end)
        return False

    def _waited(self) -> bool:
        now = time.monotonic()
        if self._partial_since is None:
            self._partial_since = now
        return now - self._partial_since >= PARTIAL_LINE_SECONDS

    def _send(self, messages: Sequence[str], end: Position) -> None:
        first = max(int(time.time() * 1000), self._state.last_timestamp_ms + 1)
        pending = Pending(
            end_offset=end.offset,
            end_in_preamble=end.in_preamble,
            first_timestamp_ms=first,
        )
        self._keep(self._state.model_copy(update={"pending": pending}))
        self._post(messages, first)
        self._advance(pending, len(messages))

    def _settle_pending(self) -> None:
        """Send what is missing of a batch whose fate is unknown."""
        pending = self._state.pending
        if pending is None:
            return
        length = pending.end_offset - self._state.offset
        content = self._read(self._state.offset, length)
        position = Position(self._state.offset, self._state.in_preamble)
        messages = take(position, content, flush=True).messages
        there = self._timestamps_there()
        for number, message in enumerate(messages):
            if pending.first_timestamp_ms + number not in there:
                self._post([message], pending.first_timestamp_ms + number)
        self._advance(pending, len(messages))

    def _advance(self, pending: Pending, count: int) -> None:
        self._keep(
            Shipped(
                offset=pending.end_offset,
                in_preamble=pending.end_in_preamble,
                last_timestamp_ms=pending.first_timestamp_ms + max(count - 1, 0),
            )
        )

    def _keep(self, state: Shipped) -> None:
        self._state = state
        text = state.model_dump_json()
        replace_file(self.folder.shipped, text, durable=False)

    def _post(self, messages: Sequence[str], first_timestamp_ms: int) -> None:
        events: list[Mapping[str, Any]] = [
            {
                "type": "log",
                "level": "info",
                "task": self.task_id,
                "worker": self.worker,
                "msg": message,
                "timestamp": first_timestamp_ms + number,
            }
            for number, message in enumerate(messages)
        ]
        for event in events:
            self.client.call("events.add", dict(event), execution=self.execution)

    def _timestamps_there(self) -> frozenset[int]:
        body = {"task": self.task_id, "batch_size": _LOOK_BACK_EVENTS, "order": "desc"}
        answer = self.client.call("events.get_task_log", body)
        return frozenset(
            int(event["timestamp"])
            for event in answer.get("events") or ()
            if event.get("worker") == self.worker
        )

    def _read(self, offset: int, length: int) -> bytes:
        try:
            with self.folder.console.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            return b""
