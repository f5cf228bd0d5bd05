"""Puts Python packages into a folder as they are to lie in an image.

This machine does it, with its own indexes, proxies and certificates; the image's build
needs no network and no secret.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from waylab_rig.errors import RigError

PYTHON_VERSION = "3.11"
"""That of Debian bookworm."""
PREFIX = "/opt/waylab"
_PLATFORM = "x86_64-unknown-linux-gnu"
_SECONDS = 900.0


def locked(lock: Path, into: Path) -> None:
    """Put the packages of a lock into a folder.

    Raises:
        RigError: they cannot be had.
    """
    _install(into, "--require-hashes", "-r", str(lock))


def wheels(files: Sequence[Path], into: Path) -> None:
    """Put wheels into a folder, without what they need.

    Raises:
        RigError: they cannot be installed.
    """
    _install(into, *map(str, files))


def compile_all(into: Path) -> None:
    """Compile the packages of a folder, where this machine's Python is the image's.

    The image's build compiles what is not; doing it here goes on beside other work.

    Raises:
        RigError: it fails.
    """
    if ".".join(map(str, sys.version_info[:2])) != PYTHON_VERSION:
        return
    names = ["-s", str(into), "-p", PREFIX]
    run(
        [sys.executable, "-m", "compileall", "-q", "-j", "0", *names, str(into / "lib")]
    )


def append(packages: Path, archive: Path) -> None:
    """Put a folder's packages at their place into the archive of a root folder.

    Raises:
        RigError: it fails.
    """
    names = ["--owner=0", "--group=0", f"--transform=flags=r;s,^\\.,{PREFIX[1:]},"]
    run(["tar", "-C", str(packages), *names, "-rf", str(archive), "."])


def build_wheel(project: Path, into: Path) -> Path:
    """Build a project's wheel: the same bytes from the same sources.

    Raises:
        RigError: it cannot be built.
    """
    before = set(into.glob("*.whl"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    run([*command, "-d", str(into)], cwd=project)
    made = set(into.glob("*.whl")) - before
    if len(made) != 1:
        msg = f"Building {project} gave {len(made)} wheels instead of one."
        raise RigError(msg)
    return made.pop()


def run(command: Sequence[str], *, cwd: Path | None = None) -> None:
    """Run a tool, quietly.

    Raises:
        RigError: it fails; the text has its last words.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell; every part is built here.
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=_environment(os.environ),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"{command[0]} does not work: {error}"
        raise RigError(msg) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-5:]
        msg = f"{' '.join(command[:4])} failed: {' / '.join(said)}"
        raise RigError(msg)


def _install(into: Path, *what: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--no-config"]
    command += ["--prefix", str(into), "--link-mode", "hardlink"]
    command += ["--only-binary", ":all:", "--python-platform", _PLATFORM]
    run([*command, "--python-version", PYTHON_VERSION, *what])
    _point_scripts(into / "bin")


def _point_scripts(folder: Path) -> None:
    """Have the scripts start with the image's Python instead of this machine's."""
    for script in folder.iterdir() if folder.is_dir() else ():
        content = script.read_bytes()
        first, newline, rest = content.partition(b"\n")
        if first.startswith(b"#!") and b"python" in first:
            # A file of its own, as it may be a link to one in uv's cache.
            mode = script.stat().st_mode
            script.unlink()
            script.write_bytes(f"#!{PREFIX}/bin/python".encode() + newline + rest)
            script.chmod(mode)


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    # uv trusts what this machine trusts.
    return {"UV_SYSTEM_CERTS": "1", "SKIP_JUPYTER_BUILDER": "1", **own}
