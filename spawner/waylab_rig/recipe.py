"""How `images/lab-small` is made, and from what: the names of its two layers.

The lower one holds Debian and the locked packages, the upper one Waylab's own, from
this checkout. Each is named by a hash of all that it is made from.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from waylab_engine.engine import Engine
from waylab_rig import archives, packing
from waylab_rig.errors import RigError
from waylab_rig.requirements import find

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "images" / "lab-small"
NAME = "waylab/lab-small"
_SUITE = "bookworm"
_INPUTS = ("Dockerfile", "debian.txt", "requirements.txt")
_DEBIAN_LEAVES_OUT = ("/usr/share/man/*", "/usr/share/locale/*")
# Pages of the hub and of runs, sources of scripts, tests: nothing that a lab or a job
# opens.
_PACKAGES_LEAVE_OUT = (
    *("share/jupyterhub/static", "**/*.js.map"),
    *(
        f"lib/python*/site-packages/{name}/**/tests"
        for name in ("matplotlib", "numpy", "pandas", "scipy", "sklearn")
    ),
)
_OWN_LEAVE_OUT = ("lib/python*/site-packages/waylab_tracking/web",)


@dataclass(frozen=True)
class Recipe:
    """One state of the checkout; `wheels` are in a folder that its maker removes."""

    packages: str
    own: str
    wheels: tuple[Path, ...]


def read(folder: Path) -> Recipe:
    """Look at the checkout; `folder` takes the wheels.

    Raises:
        RigError: there is no checkout, or its lab extension is not built.
    """
    _require_checkout()
    projects = (ROOT, ROOT / "extensions" / "lab")
    wheels = tuple(packing.build_wheel(project, folder) for project in projects)
    inputs = [SOURCE / name for name in _INPUTS]
    packages = f"{NAME}-packages:{_digest(inputs, _SUITE)}"
    own = f"{NAME}:{_digest([SOURCE / 'own.Dockerfile', *wheels], packages)}"
    return Recipe(packages, own, wheels)


def build_packages(engine: Engine, recipe: Recipe) -> None:
    """Build the lower layer; it takes a minute or two.

    Raises:
        RigError: a step fails.
        EngineError: the engine does not take it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="waylab-image-") as folder,
        ThreadPoolExecutor(1) as pool,
    ):
        packages, archive = Path(folder) / "packages", Path(folder) / "root.tar"
        packing_up = pool.submit(_pack, packages)
        try:
            _make_debian(archive)
        finally:
            packing_up.result()
        packing.append(packages, archive)
        base = f"{NAME}-base:{recipe.packages.rpartition(':')[2]}"
        archives.import_root(engine, archive, base)
        context = Path(folder) / "context"
        context.mkdir()
        shutil.copy(SOURCE / "Dockerfile", context)
        archives.build(engine, context, recipe.packages, BASE=base)
        # Its layer goes on below; the name was for the Dockerfile alone.
        archives.keep_only(engine, f"{NAME}-base", ())


def build_own(engine: Engine, recipe: Recipe) -> None:
    """Build the upper layer on the lower one; it takes some seconds.

    Raises:
        RigError: a step fails.
        EngineError: the engine does not take it.
    """
    with tempfile.TemporaryDirectory(prefix="waylab-image-") as folder:
        context = Path(folder)
        packing.wheels(recipe.wheels, context / "own")
        _leave_out(context / "own", _OWN_LEAVE_OUT)
        shutil.copy(SOURCE / "own.Dockerfile", context / "Dockerfile")
        archives.build(engine, context, recipe.own, PACKAGES=recipe.packages)


def _pack(into: Path) -> None:
    packing.locked(SOURCE / "requirements.txt", into)
    _leave_out(into, _PACKAGES_LEAVE_OUT)
    packing.compile_all(into)


def _leave_out(folder: Path, patterns: Iterable[str]) -> None:
    for pattern in patterns:
        for found in list(folder.glob(pattern)):
            if found.is_dir():
                shutil.rmtree(found)
            else:
                found.unlink()


def _make_debian(archive: Path) -> None:
    program = find("mmdebstrap")
    if program is None:
        msg = "The image needs mmdebstrap: run hub/install/engine.sh, or install it."
        raise RigError(msg)
    lines = (SOURCE / "debian.txt").read_text("utf-8").splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    options = ["--quiet", "--mode=root", "--variant=minbase", "--format=tar"]
    options += [f"--include={','.join(packages)}"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in _DEBIAN_LEAVES_OUT]
    options += _as_this_machine_has_it()
    packing.run([program, *options, _SUITE, str(archive)])


def _as_this_machine_has_it() -> list[str]:
    """Take a mirror's age as this machine's apt does; the image keeps none of it."""
    program = find("apt-config")
    if program is None:
        return []
    said = subprocess.run(  # noqa: S603 - no shell; nothing comes from outside.
        [program, "dump", "Acquire::Check-Valid-Until"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    kept = "/etc/apt/apt.conf.d/99mmdebstrap"
    return [
        *(f"--aptopt={line}" for line in said.stdout.splitlines()),
        f'--customize-hook=rm -f "$1{kept}"',
    ]


def _require_checkout() -> None:
    if not (SOURCE / "Dockerfile").exists():
        msg = f"The image is built from a checkout of Waylab; {SOURCE} is not there."
        raise RigError(msg)
    extension = ROOT / "extensions" / "lab" / "waylab_lab" / "labextension"
    if not (extension / "package.json").exists():
        msg = "The lab extension is not built yet: run `make setup` first."
        raise RigError(msg)


def _digest(files: Iterable[Path], *texts: str) -> str:
    parts = [path.read_bytes() for path in files] + [text.encode() for text in texts]
    hashed = (hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(b"".join(hashed)).hexdigest()[:16]
