"""Bringing outputs, progress and signs of life to the tracking server as cells run.

One thread of its own sends; the run never waits for it and never fails through it.
What the server does not take now is sent later. Sending, and the server's work with it,
may share the machine with the run: so there is a pause after each sending, at least
`PAUSE_FACTOR` times as long as that took (`PAUSE_SECONDS` at most), and what one
sending takes is bounded.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from waylab_clearml import live
from waylab_clearml.client import Client
from waylab_clearml.errors import ClearMLError
from waylab_runner.json_text import json_bytes

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
PAUSE_FACTOR = 5.0
PAUSE_SECONDS = 10.0
PING_SECONDS = 30.0
# Bounds what one sending takes: many small cells share a segment, large ones do not.
SEGMENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class _Outcome:
    """A finished cell: its outputs as they were at the time."""

    execution_count: int | None
    outputs: tuple[Any, ...]

    @cached_property
    def written(self) -> tuple[bytes, ...]:
        """The outputs as JSON; much of it is never written."""
        return tuple(map(json_bytes, self.outputs))


class LiveReport:
    """Follows a run (a `Listener`) and keeps its live notebook on the server."""

    def __init__(self, client: Client, task_id: str, folder: str) -> None:
        """Report on a task; `folder` is its place on the file server."""
        self._client = client
        self._task_id = task_id
        self._folder = f"{folder}/artifacts/live"
        self._lock = threading.Lock()
        self._halted = threading.Event()
        self._pending: dict[int, _Outcome] = {}
        self._skeleton = b""
        self._code_cells: list[int] = []
        self._current: int | None = None
        self._done: set[int] = set()
        self._moved = True
        self._index: live.Index | None = None
        self._blobs: dict[str, str] = {}
        self._segments = 0
        self._thread = threading.Thread(target=self._work, name="live", daemon=True)

    def start(self, notebook: Any) -> None:
        """Begin with the notebook as it is to be run, without outputs."""
        self._skeleton = json_bytes(notebook)
        self._code_cells = [
            place
            for place, cell in enumerate(notebook.cells)
            if cell.cell_type == "code" and cell.source.strip()
        ]
        self._thread.start()

    def cell_started(self, place: int) -> None:
        """Note that a cell runs now."""
        with self._lock:
            self._current = place
            self._moved = True

    def cell_finished(self, place: int, cell: Any, *, well: bool) -> None:
        """Note a cell's outputs, as they are now, and whether it ran through."""
        outcome = _Outcome(cell.get("execution_count"), tuple(cell.outputs))
        with self._lock:
            self._pending[place] = outcome
            if well:
                self._done.add(place)
            self._moved = True

    def halt(self) -> None:
        """Begin no further upload: the final notebook, about to come, has it all."""
        with self._lock:
            self._current = None
            self._moved = True
        self._halted.set()

    def stop(self, *, wait_seconds: float) -> None:
        """Halt, and wait until what was under way is sent, or `wait_seconds`."""
        self.halt()
        if self._thread.ident is not None:
            self._thread.join(wait_seconds)

    def send_rest(self) -> None:
        """Send what was kept back, for want of a final notebook; after `stop`.

        Raises:
            ClearMLError: the server is away or refuses.
        """
        self._send_index()
        while self._send_segment():
            pass
        self._publish()

    def _work(self) -> None:
        last_ping = time.monotonic()
        while True:
            began = time.monotonic()
            halted = self._halted.is_set()
            try:
                self._tick()
                if began - last_ping > PING_SECONDS:
                    self._client.call("tasks.ping", {"task": self._task_id})
                    last_ping = began
            except ClearMLError as error:
                logger.warning("Live output is held up: %s", error)
                self._moved = True
            if halted:
                return
            pause = PAUSE_FACTOR * (time.monotonic() - began)
            # No waking per cell: that would cost each of many quick cells a switch.
            self._halted.wait(min(max(FLUSH_SECONDS, pause), PAUSE_SECONDS))

    def _tick(self) -> None:
        with self._lock:
            moved, self._moved = self._moved, False
        if not moved:
            return
        self._send_index()
        if not self._halted.is_set() and self._send_segment():
            with self._lock:
                self._moved = bool(self._pending) or self._moved
        self._publish()

    def _send_index(self) -> None:
        if self._index is None:
            uri = self._upload("notebook.json", self._skeleton)
            self._index = live.Index(uri, len(self._code_cells), None)

    def _send_segment(self) -> bool:
        """Send some of what waits; say whether there was any."""
        batch = self._take_batch()
        if not batch or self._index is None:
            return False
        try:
            segment = self._upload_segment(batch)
        except ClearMLError:
            with self._lock:
                # Newer outputs of the same cell, if any, are the right ones.
                self._pending = {**batch, **self._pending}
            raise
        # Kept at once: what is uploaded is never uploaded again.
        segments = (*self._index.segments, segment)
        self._index = replace(self._index, segments=segments)
        return True

    def _publish(self) -> None:
        if self._index is not None:
            self._publish_index(self._index)

    def _take_batch(self) -> dict[int, _Outcome]:
        """Take the first of the waiting cells, as many as a file may hold."""
        batch: dict[int, _Outcome] = {}
        size = 0
        while size < SEGMENT_BYTES:
            with self._lock:
                if not self._pending:
                    break
                place = min(self._pending)
                batch[place] = self._pending.pop(place)
            size += sum(map(len, batch[place].written))
        return batch

    def _publish_index(self, index: live.Index) -> None:
        current = self._current
        index = replace(
            index,
            cell_place=current,
            cell_current=None if current is None else self._code_cells.index(current),
            cells_done=len(self._done),
        )
        item = {
            "name": live.CONFIGURATION_NAME,
            "type": "json",
            "description": "Where the output notebook is while the run goes on.",
            "value": index.to_json(),
        }
        self._client.call(
            "tasks.edit_configuration",
            {"task": self._task_id, "configuration": [item], "force": True},
        )

    def _upload_segment(self, batch: dict[int, _Outcome]) -> live.Segment:
        parts = [
            b'"%d":{"execution_count":%s,"outputs":[%s]}'
            % (
                place,
                json.dumps(outcome.execution_count).encode(),
                b",".join(map(self._stored, outcome.written)),
            )
            for place, outcome in batch.items()
        ]
        content = b'{"format":%d,"cells":{%s}}' % (live.FORMAT, b",".join(parts))
        self._segments += 1
        uri = self._upload(f"segment-{self._segments:05}.json", content)
        return live.Segment(uri, tuple(batch))

    def _stored(self, output: bytes) -> bytes:
        """Give an output as it stands in a segment: itself, or where it is."""
        if len(output) < live.BLOB_BYTES:
            return output
        digest = hashlib.sha256(output).hexdigest()
        if digest not in self._blobs:
            self._blobs[digest] = self._upload(f"blob-{digest[:32]}.json", output)
        return json_bytes({live.BLOB_KEY: self._blobs[digest]})

    def _upload(self, name: str, content: bytes) -> str:
        return self._client.upload(
            f"{self._folder}/{name}", content, "application/json"
        )
