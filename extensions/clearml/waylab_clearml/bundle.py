"""The frozen input of a job: a zip with a manifest, the notebook and its files.

Layout (format 1): `manifest.json`, then `files/<path>` for the notebook and every
other file, with paths relative to the root folder that was given. Equal input gives
equal bytes. Outputs of the notebook are left out: the run makes its own.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from waylab_clearml.errors import BundleError
from waylab_clearml.notebooks import read_notebook

FORMAT = 1
READABLE_FORMATS = frozenset({1})
MANIFEST = "manifest.json"
PREFIX = "files/"
MAX_FILES = 20_000
MAX_TOTAL_BYTES = 2 * 1024**3
MAX_MANIFEST_BYTES = 16 * 1024**2
MAX_NOTEBOOK_BYTES = 256 * 1024**2
"""What is read into memory; without outputs, notebooks are far smaller."""
PIECE_BYTES = 1024**2
# Fixed, so that equal input gives equal bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
PLAIN_FILE = 0o100644 << 16


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

    `files` may name files and folders (taken whole, without hidden ones) below `root`;
    relative ones are relative to `root`.

    Raises:
        NotebookError: the notebook is missing or not valid.
        BundleError: a file is missing, outside of `root`, or the whole too large.
    """
    content = _without_outputs(read_notebook(notebook))
    top = root.resolve()
    notebook_path = _relative(notebook.absolute(), top)
    found = {_relative(one, top): one for one in _expand(files, top)}
    found.pop(notebook_path, None)
    _check_size(found, len(content))
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=into, suffix=".part", delete=False) as part:
        draft = Path(part.name)
        try:
            manifest = _write(part, notebook_path, content, found)
            part.flush()
            sha256 = hash_of(draft)
            target = into / f"{sha256}.zip"
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    return Bundle(target, sha256, target.stat().st_size, manifest)


def inspect(path: Path, expected_sha256: str) -> Bundle:
    """Check a bundle's hash and manifest without unpacking it.

    Raises:
        BundleError: the hash, the format or the manifest is not as it should be.
    """
    actual = hash_of(path)
    if actual != expected_sha256.lower():
        msg = (
            f"The bundle's hash is {actual}, not {expected_sha256 or 'given'}: it was "
            "changed or damaged on the way. Submit the notebook again."
        )
        raise BundleError(msg)
    with _opened(path) as archive:
        manifest = _read_manifest(archive)
    return Bundle(path, actual, path.stat().st_size, manifest)


def unpack(path: Path, into: Path, expected_sha256: str) -> Manifest:
    """Check a bundle and write its files below the folder `into`.

    Raises:
        BundleError: the hash, the format, a path or a size is not as it should be;
            nothing outside of `into` is ever written.
    """
    manifest = inspect(path, expected_sha256).manifest
    with _opened(path) as archive:
        for file in manifest.files:
            _extract(archive, file, into)
    return manifest


def read_notebook_bytes(path: Path) -> bytes:
    """Give the notebook's JSON out of a bundle without unpacking the rest.

    Raises:
        BundleError: the bundle is damaged.
    """
    with _opened(path) as archive:
        manifest = _read_manifest(archive)
        name = manifest.notebook
        size = next(file.size_bytes for file in manifest.files if file.path == name)
        if size > MAX_NOTEBOOK_BYTES:
            msg = f"The bundle's notebook has {size} bytes: too much to be shown."
            raise BundleError(msg)
        with archive.open(f"{PREFIX}{name}") as file:
            content = file.read(size + 1)
        if len(content) != size:
            msg = f"The bundle's {name!r} is not what its manifest says."
            raise BundleError(msg)
        return content


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    # What zipfile raises on damage, encryption and unknown compression.
    except (
        zipfile.BadZipFile,
        zlib.error,
        KeyError,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        msg = f"The bundle is not a readable zip file: {error}."
        raise BundleError(msg) from error


def _without_outputs(notebook: dict[str, Any]) -> bytes:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
            cell["metadata"].pop("execution", None)
    notebook["metadata"].pop("widgets", None)
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
    return f"{text}\n".encode()


def _relative(path: Path, top: Path) -> str:
    try:
        return path.resolve().relative_to(top).as_posix()
    except ValueError as error:
        msg = (
            f"{path} lies outside of {top}: a bundle holds only what is below its root "
            "folder. Move the file there, or choose a higher root."
        )
        raise BundleError(msg) from error


def _expand(files: Sequence[Path], top: Path) -> Iterator[Path]:
    for given in files:
        path = given if given.is_absolute() else top / given
        if path.is_dir():
            for inner in sorted(path.rglob("*")):
                hidden = any(
                    part.startswith(".") or part == "__pycache__"
                    for part in inner.relative_to(path).parts
                )
                if inner.is_file() and not hidden:
                    yield inner
        elif path.is_file():
            yield path
        else:
            msg = f"There is no file {path}."
            raise BundleError(msg)


def _check_size(found: dict[str, Path], notebook_bytes: int) -> None:
    total = notebook_bytes + sum(path.stat().st_size for path in found.values())
    if len(found) >= MAX_FILES or total > MAX_TOTAL_BYTES:
        msg = (
            f"The bundle would hold {len(found) + 1} files of {total / 1e9:.2f} GB; at "
            f"most {MAX_FILES} files of {MAX_TOTAL_BYTES / 1e9:.2f} GB are possible. "
            "Put large data on a share or into a dataset."
        )
        raise BundleError(msg)


def _write(
    part: IO[bytes], notebook_path: str, content: bytes, found: dict[str, Path]
) -> Manifest:
    with tempfile.TemporaryFile() as staged, zipfile.ZipFile(part, "w") as archive:
        # Staged first: the manifest with the hashes is to be the first entry, and a
        # file that changes while it is read must not contradict its hash.
        spans: list[tuple[BundleFile, int]] = []
        for path in sorted([notebook_path, *found]):
            start = staged.tell()
            digest = hashlib.sha256()
            if path == notebook_path:
                staged.write(content)
                digest.update(content)
            else:
                with found[path].open("rb") as source:
                    while piece := source.read(PIECE_BYTES):
                        staged.write(piece)
                        digest.update(piece)
            size = staged.tell() - start
            spans.append((BundleFile(path, size, digest.hexdigest()), start))
        manifest = Manifest(FORMAT, notebook_path, tuple(file for file, _ in spans))
        archive.writestr(_entry(MANIFEST), _manifest_json(manifest))
        for file, start in spans:
            staged.seek(start)
            with archive.open(_entry(f"{PREFIX}{file.path}"), "w") as target:
                left = file.size_bytes
                while left:
                    piece = staged.read(min(PIECE_BYTES, left))
                    target.write(piece)
                    left -= len(piece)
    return manifest


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = PLAIN_FILE
    return entry


def _manifest_json(manifest: Manifest) -> bytes:
    return json.dumps(
        {
            "format": manifest.format,
            "notebook": manifest.notebook,
            "files": [
                {"path": f.path, "size": f.size_bytes, "sha256": f.sha256}
                for f in manifest.files
            ],
        },
        ensure_ascii=False,
        indent=1,
    ).encode()


def hash_of(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        info = archive.getinfo(MANIFEST)
        if info.file_size > MAX_MANIFEST_BYTES:
            msg = f"The bundle's manifest has {info.file_size} bytes."
            raise BundleError(msg)
        with archive.open(info) as file:
            data = json.loads(file.read(MAX_MANIFEST_BYTES + 1))
        if data["format"] not in READABLE_FORMATS:
            msg = (
                f"The bundle has format {data['format']!r}; this runner reads "
                f"{sorted(READABLE_FORMATS)}. Update Waylab where the job runs."
            )
            raise BundleError(msg)
        manifest = Manifest(
            format=data["format"],
            notebook=str(data["notebook"]),
            files=tuple(
                BundleFile(str(f["path"]), int(f["size"]), str(f["sha256"]))
                for f in data["files"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"The bundle's manifest is missing or damaged ({error!r})."
        raise BundleError(msg) from error
    _check_manifest(manifest)
    return manifest


def _check_manifest(manifest: Manifest) -> None:
    paths = [file.path for file in manifest.files]
    total = sum(file.size_bytes for file in manifest.files)
    if len(paths) > MAX_FILES or total > MAX_TOTAL_BYTES:
        msg = f"The bundle claims {len(paths)} files of {total} bytes: too much."
        raise BundleError(msg)
    if manifest.notebook not in paths or len(set(paths)) != len(paths):
        msg = "The bundle's manifest contradicts itself."
        raise BundleError(msg)
    for path in paths:
        parts = PurePosixPath(path).parts
        unsafe = (
            not parts
            or path.startswith("/")
            or ".." in parts
            or "\\" in path
            or "\0" in path
            or PurePosixPath(path).as_posix() != path
        )
        if unsafe:
            msg = f"The bundle names the path {path!r}, which leaves its folder."
            raise BundleError(msg)


def _extract(archive: zipfile.ZipFile, file: BundleFile, into: Path) -> None:
    target = into / file.path
    if into.resolve() not in target.resolve().parents:
        msg = f"The bundle's {file.path!r} would land outside of its folder."
        raise BundleError(msg)
    digest = hashlib.sha256()
    left = file.size_bytes
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(f"{PREFIX}{file.path}") as source, target.open("xb") as sink:
            while piece := source.read(PIECE_BYTES):
                left -= len(piece)
                if left < 0:
                    break  # More than claimed: a bomb, or damage.
                digest.update(piece)
                sink.write(piece)
    except KeyError as error:
        msg = f"The bundle lacks its file {file.path!r}."
        raise BundleError(msg) from error
    except OSError as error:
        msg = f"Cannot unpack {file.path!r}: {error.strerror}."
        raise BundleError(msg) from error
    if left or digest.hexdigest() != file.sha256:
        msg = f"The bundle's {file.path!r} is not what its manifest says."
        raise BundleError(msg)
