"""Paths as the browser names them, and the files that they stand for.

A contents path is relative to the server's root, with `/`, as in `work/a{b}.ipynb`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


class PathError(ValueError):
    """A path that the lab does not let the browser use; the message says why."""


class ServerRoot:
    """The folder that the file browser shows, and nothing outside of it."""

    def __init__(self, folder: Path, *, allow_hidden: bool = False) -> None:
        """Take the server's root; hidden files are refused unless allowed."""
        self.folder = folder.resolve()
        self.allow_hidden = allow_hidden

    def resolve(self, contents_path: str) -> Path:
        """Give the file or folder that a contents path names; it need not exist.

        Raises:
            PathError: it leads out of the root (also by a link), or is hidden.
        """
        if "\0" in contents_path:
            msg = f"{contents_path!r} is not a file name."
            raise PathError(msg)
        parts = [part for part in contents_path.split("/") if part not in ("", ".")]
        if ".." in parts:
            msg = f"{contents_path!r} leads out of the lab's folder."
            raise PathError(msg)
        if not self.allow_hidden and any(part.startswith(".") for part in parts):
            msg = f"{contents_path!r} is hidden: rename it, or choose another file."
            raise PathError(msg)
        path = self.folder.joinpath(*parts).resolve()
        if not path.is_relative_to(self.folder):
            msg = (
                f"{contents_path!r} is a link to {path}, outside of the lab's folder "
                f"{self.folder}: copy it into the folder."
            )
            raise PathError(msg)
        return path

    def contents_path(self, path: Path) -> str:
        """Give the path by which the browser knows a file below the root."""
        return path.relative_to(self.folder).as_posix()


def common_folder(paths: Sequence[Path]) -> Path:
    """Give the deepest folder that holds all of the files and folders."""
    return Path(os.path.commonpath([str(path.parent) for path in paths]))
