"""Bringing what a container writes into the job's own log, whatever restarts.

The engine stamps every line, and hands out a long one in parts of one stamp. With the
stamp of the last part in our log, how many parts bore it, and the size that the log had
then, a second follower goes on exactly where the first one ended.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from io import BufferedWriter
from typing import Any

import requests
from docker.errors import APIError, DockerException, NotFound
from pydantic import BaseModel, ConfigDict, ValidationError

from waylab_agent.errors import JournalError
from waylab_agent.journal import JobFolder, replace_file
from waylab_engine.engine import Engine

logger = logging.getLogger(__name__)

_NOTE_SECONDS = 0.5
_STAMP = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z ")
_NANO = 10**9


class Followed(BaseModel):
    """How much of the engine's log is in ours: all before `at_nanoseconds`.

    Of what bears that stamp itself, the first `parts` are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_nanoseconds: int = 0
    parts: int = 1
    size: int = 0

    def then(self, at_nanoseconds: int, size: int) -> Followed:
        """Give what is in our log after one more part."""
        same = at_nanoseconds == self.at_nanoseconds
        return Followed(
            at_nanoseconds=at_nanoseconds,
            parts=self.parts + 1 if same else 1,
            size=self.size + size,
        )


def unseen(
    parts: Iterable[tuple[int, bytes]], state: Followed
) -> Iterator[tuple[int, bytes]]:
    """Leave out what our log has already; stamps never go back in an engine's log."""
    to_skip = state.parts
    for at, text in parts:
        if at < state.at_nanoseconds:
            continue
        if at == state.at_nanoseconds and to_skip > 0:
            to_skip -= 1
            continue
        yield at, text


class Follower:
    """Copies one container's log on a thread of its own, until the log ends."""

    def __init__(self, engine: Engine, container: str, folder: JobFolder) -> None:
        """Start copying where the job's folder says."""
        self._engine = engine
        self._container = container
        self._folder = folder
        self._noted = 0.0
        self.complete = False
        """The log has ended, and all of it was copied."""
        self._thread = threading.Thread(
            target=self._run, name=f"log of {container}", daemon=True
        )
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it copies no more: the log has ended, or something failed."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._copy()
        except NotFound:
            self.complete = True  # There is nothing to be had any more.
        except (
            APIError,
            DockerException,
            requests.RequestException,
            OSError,
            ValueError,
            JournalError,
        ) as error:
            logger.info("The log of %s is cut off: %s", self._container, error)
        else:
            self.complete = True

    def _copy(self) -> None:
        state = _read(self._folder)
        size = self._folder.console.stat().st_size if self._has_log() else 0
        # What was written after the last note comes once more.
        surplus = max(size - state.size, 0)
        with self._folder.console.open("ab") as log:
            for at, text in unseen(self._lines(state.at_nanoseconds), state):
                skipped = min(surplus, len(text))
                surplus -= skipped
                log.write(text[skipped:])
                state = state.then(at, len(text))
                self._note(log, state)
            log.flush()
            self._keep(state)

    def _lines(self, after_nanoseconds: int) -> Iterator[tuple[int, bytes]]:
        client = self._engine.connection.client()
        since: dict[str, Any] = {}
        if after_nanoseconds:
            since["since"] = after_nanoseconds / _NANO - 1e-3
        frames = client.logs(
            self._container, stream=True, follow=True, timestamps=True, **since
        )
        for frame in frames:
            yield read_stamp(bytes(frame))

    def _note(self, log: BufferedWriter, state: Followed) -> None:
        log.flush()
        if time.monotonic() - self._noted >= _NOTE_SECONDS:
            self._noted = time.monotonic()
            self._keep(state)

    def _keep(self, state: Followed) -> None:
        replace_file(self._folder.followed, state.model_dump_json(), durable=False)

    def _has_log(self) -> bool:
        return self._folder.console.exists()


def read_stamp(frame: bytes) -> tuple[int, bytes]:
    """Part a line of the engine's log from its stamp (nanoseconds of Unix time).

    Raises:
        ValueError: there is no stamp.
    """
    stamp = _STAMP.match(frame)
    if stamp is None:
        msg = f"A line of the engine's log has no stamp: {frame[:40]!r}."
        raise ValueError(msg)
    moment = datetime.fromisoformat(f"{stamp.group(1).decode()}+00:00")
    fraction = int((stamp.group(2) or b"0").ljust(9, b"0"))
    return int(moment.timestamp()) * _NANO + fraction, frame[stamp.end() :]


def _read(folder: JobFolder) -> Followed:
    try:
        return Followed.model_validate_json(folder.followed.read_text("utf-8"))
    except (OSError, ValidationError):
        return Followed()
