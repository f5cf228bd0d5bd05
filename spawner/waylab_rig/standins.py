"""Compiles the stand-ins of NVML and nvidia-smi."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from waylab_rig.errors import RigError

SOURCES = Path(__file__).with_name("standin")
LIBRARY = "libnvidia-ml.so.1"
SMI = "nvidia-smi"
_SECONDS = 60.0


def compiler() -> str | None:
    """Find a C compiler."""
    return shutil.which("cc") or shutil.which("gcc")


def build(folder: Path) -> None:
    """Have both in a folder, newly compiled only if their sources have changed.

    Raises:
        RigError: there is no compiler, or it fails.
    """
    stamp = folder / "stamp"
    digest = _digest()
    if stamp.exists() and stamp.read_text("utf-8") == digest:
        return
    cc = compiler()
    if cc is None:
        msg = "There is no C compiler: install gcc and libc6-dev."
        raise RigError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    shared = ["-shared", "-fPIC", "-fvisibility=hidden", f"-Wl,-soname,{LIBRARY}"]
    _compile(cc, [*shared, "nvml.c", "devices.c"], folder / LIBRARY)
    # Static, so that it runs in an image of any distribution.
    _compile(cc, ["-static", "smi.c", "devices.c"], folder / SMI)
    stamp.write_text(digest, "utf-8")


def _compile(cc: str, arguments: list[str], into: Path) -> None:
    fresh = into.with_name(f"{into.name}.new")
    try:
        subprocess.run(  # noqa: S603 - no shell; every part is written here.
            [cc, "-std=gnu11", "-O1", "-Wall", "-o", str(fresh), *arguments],
            cwd=SOURCES,
            check=True,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        msg = f"{cc} does not compile {into.name}: {error.stderr.strip()[:500]}"
        raise RigError(msg) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"{cc} does not compile {into.name}: {error}"
        raise RigError(msg) from error
    fresh.replace(into)


def _digest() -> str:
    contents = (path.read_bytes() for path in sorted(SOURCES.glob("*.[ch]")))
    return hashlib.sha256(b"\0".join(contents)).hexdigest()
