"""Bringing outputs, progress and signs of life to the tracking server as cells run.

One thread of its own sends; the run never waits for it and never fails through it.
What the server does not take now is sent later.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from waylab_clearml import live
from waylab_clearml.client import Client
from waylab_clearml.errors import ClearMLError

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
PING_SECONDS = 30.0
# Bounds what a single file holds; many small cells share one, large ones do not.
SEGMENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class _Outcome:
    """A finished cell: its outputs as JSON texts, taken at the time."""

    execution_count: int | None
    outputs: tuple[bytes, ...]


class LiveReport:
    """Follows a run (a `Listener`) and keeps its live notebook on the server."""

    def __init__(self, client: Client, task_id: str, folder: str) -> None:
        """Report on a task; `folder` is its place on the file server."""
        self._client = client
        self._task_id = task_id
        self._folder = f"{folder}/artifacts/live"
        self._wake = threading.Condition()
        self._pending: dict[int, _Outcome] = {}
        self._skeleton: bytes | None = None
        self._code_cells: list[int] = []
        self._current: int | None = None
        self._done: set[int] = set()
        self._moved = False
        self._closing = False
        self._index: live.Index | None = None
        self._blobs: dict[str, str] = {}
        self._count = 0
        self._percent = -1
        self._thread = threading.Thread(target=self._work, name="live", daemon=True)

    def start(self, notebook: Any) -> None:
        """Begin with the notebook as it is to be run, without outputs."""
        self._skeleton = _json(notebook)
        self._code_cells = [
            place
            for place, cell in enumerate(notebook.cells)
            if cell.cell_type == "code" and cell.source.strip()
        ]
        self._thread.start()

    def cell_started(self, place: int) -> None:
        """Note that a cell runs now."""
        with self._wake:
            self._current = place
            self._moved = True
            self._wake.notify()

    def cell_finished(self, place: int, cell: Any, *, well: bool) -> None:
        """Note a cell's outputs, as they are now, and whether it ran through."""
        outcome = _Outcome(
            cell.get("execution_count"), tuple(_json(one) for one in cell.outputs)
        )
        with self._wake:
            self._pending[place] = outcome
            if well:
                self._done.add(place)
            self._moved = True
            self._wake.notify()

    def close(self, *, wait_seconds: float) -> None:
        """Send what is left, and stop; give up after `wait_seconds`."""
        with self._wake:
            self._closing = True
            self._current = None
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(wait_seconds)

    def _work(self) -> None:
        last_ping = 0.0
        while True:
            with self._wake:
                self._wake.wait_for(
                    lambda: self._closing or self._moved, timeout=PING_SECONDS
                )
                closing, self._moved = self._closing, False
                pending, self._pending = self._pending, {}
                current, finished = self._current, len(self._done)
            try:
                self._send(pending, current, finished)
                if time.monotonic() - last_ping > PING_SECONDS:
                    self._client.call("tasks.ping", {"task": self._task_id})
                    last_ping = time.monotonic()
            except ClearMLError as error:
                logger.warning("Live output is held up: %s", error)
                with self._wake:
                    # Newer outputs of the same cell, if any, are the right ones.
                    self._pending = {**pending, **self._pending}
                    self._moved = True
            if closing:
                return
            with self._wake:
                self._wake.wait_for(lambda: self._closing, timeout=FLUSH_SECONDS)

    def _send(
        self, pending: dict[int, _Outcome], current: int | None, finished: int
    ) -> None:
        if self._index is None and self._skeleton is not None:
            uri = self._upload("notebook.json", self._skeleton)
            self._index = live.Index(uri, len(self._code_cells), None)
            self._skeleton = None
        if self._index is None:
            return
        segments = list(self._index.segments)
        while pending:
            uri, cells = self._upload_segment(pending)
            segments.append(live.Segment(uri, cells))
            for place in cells:
                del pending[place]
            # Kept at once: what is uploaded is never uploaded again.
            self._index = replace(self._index, segments=tuple(segments))
        self._index = replace(
            self._index,
            cell_place=current,
            cell_current=None if current is None else self._code_cells.index(current),
        )
        item = {
            "name": live.CONFIGURATION_NAME,
            "type": "json",
            "description": "Where the output notebook is while the run goes on.",
            "value": self._index.to_json(),
        }
        self._client.call(
            "tasks.edit_configuration",
            {"task": self._task_id, "configuration": [item], "force": True},
        )
        self._report_progress(finished)

    def _upload_segment(
        self, pending: dict[int, _Outcome]
    ) -> tuple[str, tuple[int, ...]]:
        """Upload a file for the first of the pending cells, as many as it may hold."""
        cells: list[bytes] = []
        places: list[int] = []
        size = 0
        for place, outcome in sorted(pending.items()):
            outputs = [self._stored(output) for output in outcome.outputs]
            part = b'"%d":{"execution_count":%s,"outputs":[%s]}' % (
                place,
                json.dumps(outcome.execution_count).encode(),
                b",".join(outputs),
            )
            places.append(place)
            cells.append(part)
            size += len(part)
            if size >= SEGMENT_BYTES:
                break
        content = b'{"format":%d,"cells":{%s}}' % (live.FORMAT, b",".join(cells))
        self._count += 1
        uri = self._upload(f"segment-{self._count:05}.json", content)
        return uri, tuple(places)

    def _stored(self, output: bytes) -> bytes:
        """Give an output as it stands in a segment: itself, or where it is."""
        if len(output) < live.BLOB_BYTES:
            return output
        digest = hashlib.sha256(output).hexdigest()
        if digest not in self._blobs:
            self._blobs[digest] = self._upload(f"blob-{digest[:32]}.json", output)
        return _json({live.BLOB_KEY: self._blobs[digest]})

    def _upload(self, name: str, content: bytes) -> str:
        return self._client.upload(
            f"{self._folder}/{name}", content, "application/json"
        )

    def _report_progress(self, finished: int) -> None:
        """Set the task's progress as `Task.set_progress` of the SDK does."""
        total = len(self._code_cells)
        percent = 100 * finished // total if total else 100
        if percent == self._percent:
            return
        task = self._client.call(
            "tasks.get_all",
            {"id": [self._task_id], "only_fields": ["runtime"], "search_hidden": True},
        )["tasks"][0]
        runtime = {**(task.get("runtime") or {}), "progress": str(percent)}
        body = {"task": self._task_id, "force": True, "runtime": runtime}
        self._client.call("tasks.edit", body)
        self._percent = percent


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
