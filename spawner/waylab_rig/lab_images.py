"""Has the image of labs and jobs on the engines of simulated nodes, quickly.

It is built once, on an engine of its own in the user's cache folder. A new node's
engine begins with hard links to that one's layers, which no engine ever changes; one
that runs already gets a copy, or only the layer that it lacks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from waylab_engine.engine import Engine
from waylab_rig import archives, packing, recipe, running
from waylab_rig.errors import RigError
from waylab_rig.packing import PREFIX
from waylab_rig.places import Places
from waylab_rig.recipe import NAME, Recipe

REFERENCE = f"{NAME}:latest"
"""The name under which a site's catalogue has it."""
TEMPLATES = f"{PREFIX}/share/waylab/templates"
"""Where the image has the starter notebooks."""
Tell = Callable[[str], None]


def ensure(engine: Engine, *, cache: Path | None = None, tell: Tell = print) -> str:
    """Have the image of this checkout on a running engine; give its exact reference.

    It then has the name `REFERENCE` too. `tell` hears what takes long.

    Raises:
        RigError: it cannot be built here; the text says why.
        EngineError: an engine does not take it.
    """
    with tempfile.TemporaryDirectory(prefix="waylab-wheels-") as folder:
        wanted = recipe.read(Path(folder))
        if not engine.has_image(wanted.own):
            if not engine.has_image(wanted.packages):
                with _alone(cache) as own_cache, _builder(own_cache) as builder:
                    _build(builder, wanted, own_cache, tell)
                    archives.copy(builder, engine, wanted.own)
            else:
                recipe.build_own(engine, wanted)
    archives.tag(engine, wanted.own, REFERENCE)
    return wanted.own


def plant(data_root: Path, *, cache: Path | None = None, tell: Tell = print) -> None:
    """Give an engine that has not started yet the image; one with data is left alone.

    Raises:
        RigError: it cannot be built here; the text says why.
        EngineError: the engine of the cache does not take it.
    """
    if data_root.exists():
        return
    with (
        tempfile.TemporaryDirectory(prefix="waylab-wheels-") as folder,
        _alone(cache) as own_cache,
    ):
        wanted = recipe.read(Path(folder))
        if _noted(own_cache) != wanted.own:
            with _builder(own_cache) as builder:
                _build(builder, wanted, own_cache, tell)
        _link(_places(own_cache).data_root, data_root)


def default_cache() -> Path:
    """Give the folder that keeps it: `$WAYLAB_CACHE`, or one in the user's cache."""
    named = os.environ.get("WAYLAB_CACHE")
    if named:
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "waylab"


def _build(builder: Engine, wanted: Recipe, cache: Path, tell: Tell) -> None:
    """Build on the engine of the cache what it lacks, and drop what was before."""
    if not builder.has_image(wanted.packages):
        tell("Building the image of labs and jobs, once (a minute or two) ...")
        recipe.build_packages(builder, wanted)
    if not builder.has_image(wanted.own):
        recipe.build_own(builder, wanted)
    archives.tag(builder, wanted.own, REFERENCE)
    archives.keep_only(builder, NAME, (wanted.own, REFERENCE))
    archives.keep_only(builder, f"{NAME}-packages", (wanted.packages,))
    _note(cache).write_text(wanted.own, "utf-8")


@contextlib.contextmanager
def _builder(cache: Path) -> Iterator[Engine]:
    _note(cache).unlink(missing_ok=True)
    node = running.start("builder", (), _places(cache).folder)
    try:
        with node.engine() as engine:
            yield engine
    finally:
        node.stop()


def _places(cache: Path) -> Places:
    return Places(cache / "builder")


def _note(cache: Path) -> Path:
    """Name the file that says what the engine of the cache has."""
    return cache / "lab-small"


def _noted(cache: Path) -> str | None:
    try:
        return _note(cache).read_text("utf-8")
    except FileNotFoundError:
        return None


def _link(source: Path, target: Path) -> None:
    """Begin an engine's data with the layers and images of another that is stopped."""
    target.mkdir(parents=True)
    try:
        packing.run(["cp", "-a", str(source / "image"), str(target)])
        try:
            packing.run(["cp", "-al", str(source / "overlay2"), str(target)])
        except RigError:  # Another disk: no hard links.
            shutil.rmtree(target / "overlay2", ignore_errors=True)
            packing.run(["cp", "-a", str(source / "overlay2"), str(target)])
    except RigError:
        # Without overlay2 the engine keeps layers in another way: it gets a copy later.
        shutil.rmtree(target)


@contextlib.contextmanager
def _alone(cache: Path | None) -> Iterator[Path]:
    """Let one process at a time use the cache."""
    folder = cache or default_cache()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
