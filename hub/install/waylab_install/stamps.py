"""What has been done already, and from which inputs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

_NOT_SOURCES = {
    ".yarn",
    "node_modules",
    "lib",
    "labextension",
    "__pycache__",
    "dist",
    "ui-tests",
}


def digest(parts: Iterable[Path | str]) -> str:
    """Return one digest of texts, and of files by name and content.

    A folder counts with every source below it, outputs of builds left out.
    """
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            _add(total, part.encode())
            continue
        for file in sorted(_files(part)):
            _add(total, file.relative_to(part.parent).as_posix().encode())
            _add(total, file.read_bytes())
    return total.hexdigest()


class Stamps:
    """The digests of finished steps, kept in one file."""

    def __init__(self, path: Path) -> None:
        """Read the file; a missing or damaged one means that nothing is done."""
        self._path = path
        try:
            known = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, str] = known if isinstance(known, dict) else {}

    def get(self, step: str) -> str:
        """Return what was kept for a step, or an empty text."""
        return str(self._known.get(step, ""))

    def forget(self, step: str) -> None:
        """Mark a step as not done: it is about to start."""
        if step in self._known:
            del self._known[step]
            self._write()

    def keep(self, step: str, value: str) -> None:
        """Mark a step as done."""
        self._known[step] = value
        self._write()

    def _write(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._known, indent=1, sort_keys=True), "utf-8")
        draft.replace(self._path)


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        yield path
        return
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = [name for name in subfolders if name not in _NOT_SOURCES]
        yield from (
            Path(folder) / name for name in names if not name.endswith(".tsbuildinfo")
        )


def _add(total: hashlib._Hash, data: bytes) -> None:
    total.update(str(len(data)).encode() + b"\0" + data)
