"""The frozen input of a job: a zip with a manifest, the notebook and its files.

Layout (format 1): `manifest.json`, then `files/<path>` for the notebook and every
other file, with paths relative to the root folder that was given. Equal input gives
equal bytes. Outputs of the notebook are left out: the run makes its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FORMAT = 1


@dataclass(frozen=True)
class BundleFile:
    """One file in a bundle; `path` is relative to the root, with `/`."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle says that it holds; `notebook` is one of the files' paths."""

    format: int
    notebook: str
    files: tuple[BundleFile, ...]


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk and the hash that names it."""

    path: Path
    sha256: str
    size_bytes: int
    manifest: Manifest


def freeze(notebook: Path, *, files: Sequence[Path], root: Path, into: Path) -> Bundle:
    """Write a bundle of a notebook and its side files into the folder `into`.

    `files` may name files and folders (taken whole, without hidden ones) below `root`.

    Raises:
        NotebookError: the notebook is missing or not valid.
        BundleError: a file is missing, outside of `root`, or the whole too large.
    """
    raise NotImplementedError


def unpack(path: Path, into: Path, expected_sha256: str) -> Manifest:
    """Check a bundle and write its files below the folder `into`.

    Raises:
        BundleError: the hash, the format, a path or a size is not as it should be;
            nothing outside of `into` is ever written.
    """
    raise NotImplementedError
