"""Builds `images/lab-small`, the small image of labs and jobs, on an engine.

Each part is named by a hash of what it is made from and kept as a file, so that an
engine that has it needs nothing, and a fresh one only loads it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from waylab_engine.engine import Engine
from waylab_rig import archives, packing
from waylab_rig.errors import RigError
from waylab_rig.requirements import find

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "images" / "lab-small"
REFERENCE = "waylab/lab-small:latest"
"""The name under which a site's catalogue has it."""
TEMPLATES = f"{packing.PREFIX}/share/waylab/templates"
"""Where the image has the starter notebooks."""

_SUITE = "bookworm"
_KEPT = 2
_NOT_NEEDED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/man",
    "usr/share/locale",
)
Tell = Callable[[str], None]


def ensure(engine: Engine, cache: Path | None = None, tell: Tell | None = None) -> str:
    """Have the image of this checkout on an engine; give its exact reference.

    It then has the name `REFERENCE` too. `cache` keeps its parts (default: Waylab's
    folder in the user's cache); `tell` hears what is being done.

    Raises:
        RigError: it cannot be built here; the text says why.
        EngineError: the engine does not take it.
    """
    say = tell or (lambda _: None)
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    _require_checkout()
    with tempfile.TemporaryDirectory(prefix="waylab-image-") as folder:
        wheels = [
            packing.build_wheel(project, Path(folder))
            for project in (ROOT, ROOT / "extensions" / "lab")
        ]
        packages = f"waylab/lab-small-packages:{_digest(_package_inputs())}"
        inputs = [SOURCE / "own.Dockerfile", *wheels]
        own = f"waylab/lab-small:{_digest(inputs, packages)}"
        if not engine.has_image(own):
            with _alone(cache):
                _have_packages(engine, packages, cache, say)
            say("Adding Waylab to the image")
            _build_own(engine, own, packages, wheels)
    archives.tag(engine, own, REFERENCE)
    return own


def default_cache() -> Path:
    """Give the folder that keeps the parts: `$WAYLAB_CACHE`, or in the user's cache."""
    named = os.environ.get("WAYLAB_CACHE")
    if named:
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "waylab"


def _have_packages(engine: Engine, reference: str, cache: Path, say: Tell) -> None:
    if engine.has_image(reference):
        return
    kept = cache / f"lab-small-{reference.rpartition(':')[2]}.tar"
    if kept.exists():
        say("Loading the image of labs")
        archives.load(engine, kept)
        if engine.has_image(reference):
            return
    with (
        tempfile.TemporaryDirectory(prefix="waylab-image-") as folder,
        ThreadPoolExecutor(1) as pool,
    ):
        context = Path(folder)
        say("Building the image of labs (about a minute and a half)")
        packing_up = pool.submit(
            packing.locked, SOURCE / "requirements.txt", context / "packages"
        )
        base = f"waylab/debian:{_digest([SOURCE / 'debian.txt'], _SUITE)}"
        try:
            _have_debian(engine, base, cache)
        finally:
            packing_up.result()
        shutil.copy(SOURCE / "Dockerfile", context)
        archives.build(engine, context, reference, BASE=base)
    archives.save(engine, reference, kept)
    _prune(cache, "lab-small-*.tar")


def _have_debian(engine: Engine, reference: str, cache: Path) -> None:
    if engine.has_image(reference):
        return
    kept = cache / f"debian-{reference.rpartition(':')[2]}.tar"
    if not kept.exists():
        _debootstrap(kept)
        _prune(cache, "debian-*.tar")
    archives.import_root(engine, kept, reference)


def _debootstrap(kept: Path) -> None:
    program = find("debootstrap")
    if program is None:
        msg = "The image needs debootstrap: run hub/install/engine.sh, or install it."
        raise RigError(msg)
    lines = (SOURCE / "debian.txt").read_text("utf-8").splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    with tempfile.TemporaryDirectory(prefix="waylab-debian-") as folder:
        root = Path(folder) / "root"
        include = f"--include={','.join(packages)}"
        packing.run([program, "--variant=minbase", include, _SUITE, str(root)])
        for name in _NOT_NEEDED:
            shutil.rmtree(root / name, ignore_errors=True)
        fresh = kept.with_suffix(".new")
        packing.run(["tar", "-C", str(root), "-cf", str(fresh), "."])
        fresh.replace(kept)


def _build_own(
    engine: Engine, reference: str, packages: str, wheels: list[Path]
) -> None:
    with tempfile.TemporaryDirectory(prefix="waylab-image-") as folder:
        context = Path(folder)
        packing.wheels(wheels, context / "own")
        shutil.copy(SOURCE / "own.Dockerfile", context / "Dockerfile")
        archives.build(engine, context, reference, PACKAGES=packages)


def _require_checkout() -> None:
    if not (SOURCE / "Dockerfile").exists():
        msg = f"The image is built from a checkout of Waylab; {SOURCE} is not there."
        raise RigError(msg)
    extension = ROOT / "extensions" / "lab" / "waylab_lab" / "labextension"
    if not (extension / "package.json").exists():
        msg = "The lab extension is not built yet: run `make setup` first."
        raise RigError(msg)


def _package_inputs() -> list[Path]:
    names = ("Dockerfile", "debian.txt", "requirements.txt")
    return [SOURCE / name for name in names]


def _digest(files: Iterable[Path], *texts: str) -> str:
    parts = [path.read_bytes() for path in files] + [text.encode() for text in texts]
    hashed = (hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(b"".join(hashed)).hexdigest()[:16]


def _prune(cache: Path, pattern: str) -> None:
    newest_first = sorted(cache.glob(pattern), key=lambda p: -p.stat().st_mtime)
    for old in newest_first[_KEPT:]:
        old.unlink(missing_ok=True)


class _alone:  # noqa: N801 - used as a verb.
    """Let one process at a time build into a cache."""

    def __init__(self, cache: Path) -> None:
        self._path = cache / ".lock"

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
