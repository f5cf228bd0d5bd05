"""The output notebook of a run, while it runs: how it is kept and put together.

The runner uploads a *skeleton* (the notebook as it is run, without outputs) once, then
*segments*: small files with the outputs of cells that have finished since the last
one. An output larger than `BLOB_BYTES` is a file of its own, named by its hash, that
segments refer to. The *index* in the task's configuration item `waylab_live` lists
them. No file is ever written twice, so whoever follows a run fetches each file once.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from waylab_clearml.client import Client
from waylab_clearml.errors import ProtocolError

CONFIGURATION_NAME = "waylab_live"
FORMAT = 1
BLOB_BYTES = 256 * 1024
BLOB_KEY = "waylab_blob"
MAX_FILE_BYTES = 1024**3
REMEMBERED_BYTES = 128 * 1024**2


@dataclass(frozen=True)
class Segment:
    """A file with the outputs of `cells` (their places in the notebook, from 0)."""

    uri: str
    cells: tuple[int, ...]


@dataclass(frozen=True)
class Index:
    """What there is so far.

    `cells_total` counts the code cells and `cells_done` those that ran through
    (None: of a runner that did not tell),
    `cell_current` is the number among them (from 0) of the one that runs now, and
    `cell_place` its place among all cells.
    """

    skeleton: str
    cells_total: int
    cell_current: int | None
    cell_place: int | None = None
    segments: tuple[Segment, ...] = ()
    cells_done: int | None = None

    def to_json(self) -> str:
        """Give the index as stored in the task."""
        return json.dumps(
            {
                "format": FORMAT,
                "skeleton": self.skeleton,
                "cells_total": self.cells_total,
                "cells_done": self.cells_done,
                "cell_current": self.cell_current,
                "cell_place": self.cell_place,
                "segments": [
                    {"uri": one.uri, "cells": list(one.cells)} for one in self.segments
                ],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Index | None:
        """Read a stored index; None if it is not one (of a format known here)."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                return None
            return cls(
                skeleton=str(data["skeleton"]),
                cells_total=int(data["cells_total"]),
                cells_done=data.get("cells_done"),
                cell_current=data["cell_current"],
                cell_place=data.get("cell_place"),
                segments=tuple(
                    Segment(str(one["uri"]), tuple(int(cell) for cell in one["cells"]))
                    for one in data["segments"]
                ),
            )
        except (KeyError, TypeError, ValueError):
            return None


def index_of(task: Mapping[str, Any]) -> Index | None:
    """Give the index in a task's document, if there is one."""
    item = (task.get("configuration") or {}).get(CONFIGURATION_NAME) or {}
    return Index.from_json(str(item.get("value") or ""))


def assemble(client: Client, index: Index) -> dict[str, Any]:
    """Fetch what is not yet known, and give the notebook so far (nbformat 4 JSON).

    Raises:
        ProtocolError: a file is not what the index says. ClearMLError: no access.
    """
    files = _FILES.setdefault(client, _Files())
    notebook = files.json(client, index.skeleton)
    cells = notebook.get("cells") or []
    for segment in index.segments:
        held = files.json(client, segment.uri).get("cells") or {}
        for place, outcome in held.items():
            if not place.isdecimal() or int(place) >= len(cells):
                msg = f"{segment.uri} speaks of a cell {place} that there is not."
                raise ProtocolError(msg)
            cell = cells[int(place)]
            cell["execution_count"] = outcome.get("execution_count")
            cell["outputs"] = [
                files.json(client, str(output[BLOB_KEY]))
                if BLOB_KEY in output
                else output
                for output in outcome.get("outputs") or ()
            ]
    return notebook


class _Files:
    """Files of live notebooks by address, which never change once written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def json(self, client: Client, uri: str) -> dict[str, Any]:
        with self._lock:
            content = self._known.get(uri)
            if content is not None:
                self._known.move_to_end(uri)
        if content is None:
            content = client.read(uri, limit_bytes=MAX_FILE_BYTES)
            self._remember(uri, content)
        try:
            found = json.loads(content)
        except ValueError as error:
            msg = f"{uri} does not hold JSON: {error}."
            raise ProtocolError(msg) from error
        if not isinstance(found, dict):
            msg = f"{uri} does not hold an object."
            raise ProtocolError(msg)
        return found

    def _remember(self, uri: str, content: bytes) -> None:
        with self._lock:
            if uri in self._known or len(content) > REMEMBERED_BYTES:
                return
            self._known[uri] = content
            self._size += len(content)
            while self._size > REMEMBERED_BYTES:
                _, dropped = self._known.popitem(last=False)
                self._size -= len(dropped)


_FILES: WeakKeyDictionary[Client, _Files] = WeakKeyDictionary()
