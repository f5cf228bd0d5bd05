"""Runs the steps that are not done, one set-up at a time."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from waylab_install import interpreter, node
from waylab_install.errors import InstallError
from waylab_install.layout import Layout
from waylab_install.progress import Progress
from waylab_install.runner import LoggingRunner
from waylab_install.stamps import Stamps
from waylab_install.steps import Installation, Step

_NEEDED_BYTES = 3_000_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Set this clone up; return the exit status, with one sentence if it failed."""
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description="Set Waylab up in this folder."
    )
    parser.add_argument(
        "--dev", action="store_true", help="with the tools of the tests"
    )
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        set_up(Path(__file__).resolve().parents[3], dev=options.dev, out=sys.stderr)
    except InstallError as error:
        print(f"Waylab could not be set up. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def set_up(root: Path, *, dev: bool, out: TextIO) -> None:
    """Do what is not done yet in the clone at `root`; raise InstallError."""
    layout = Layout(root)
    as_root = os.geteuid() == 0
    if as_root:
        # Labs and jobs run under other accounts, which must read what is installed.
        os.umask(0o022)
    _make_folder(layout)
    if as_root:
        _require_entry(layout, out, dev=dev)
    with _alone(layout, out):
        stamps = Stamps(layout.records / "stamps.json")
        installation = Installation(
            layout,
            profile=_profile(stamps, dev=dev),
            python=_python(layout, stamps, as_root=as_root),
            node_home=_node_home(stamps),
            env=os.environ,
        )
        pending = [s for s in installation.steps() if not _is_done(s, stamps)]
        if pending and pending[0].name == "venv":
            _require_space(root)
        progress = Progress(out, len(pending))
        for step in pending:
            _do(step, layout, stamps, progress)
        stamps.keep("profile", "dev" if dev else stamps.get("profile") or "users")


def _do(step: Step, layout: Layout, stamps: Stamps, progress: Progress) -> None:
    stamps.forget(step.name)
    with progress.step(step.title):
        step.work(LoggingRunner(step.title, layout.records / f"{step.name}.log"))
    stamps.keep(step.name, step.key)


def _is_done(step: Step, stamps: Stamps) -> bool:
    return stamps.get(step.name) == step.key and all(p.exists() for p in step.products)


def _make_folder(layout: Layout) -> None:
    try:
        layout.records.mkdir(parents=True, exist_ok=True)
        (layout.records / ".writable").touch()
    except OSError as error:
        message = (
            f"{layout.venv} cannot be written ({error.strerror}): put Waylab into a "
            "folder that this account may write."
        )
        raise InstallError(message) from error


def _require_entry(layout: Layout, out: TextIO, *, dev: bool) -> None:
    """Refuse a folder that labs' accounts cannot enter; the tests only need to know."""
    closed = interpreter.barrier(layout.venv.resolve())
    if closed is None:
        return
    message = (
        f"{closed} is closed to other accounts, under which labs run when Waylab is "
        "started as root: put Waylab into a folder such as /opt/waylab, or open it "
        f"with chmod o+x {closed}."
    )
    if not dev:
        raise InstallError(message)
    out.write(f"Note: {message}\n")


def _require_space(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < _NEEDED_BYTES:
        message = (
            f"The disk of {root} has {free / 1e9:.1f} GB free, and set-up needs about "
            f"{_NEEDED_BYTES / 1e9:.0f} GB: free some space and run the same command."
        )
        raise InstallError(message)


@contextmanager
def _alone(layout: Layout, out: TextIO) -> Iterator[None]:
    """Hold the clone's set-up lock; wait for another set-up that holds it."""
    lock = os.open(layout.records, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            out.write("Another set-up of this folder is under way; waiting for it.\n")
            out.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _profile(stamps: Stamps, *, dev: bool) -> str:
    """Return which lock to install: the tests' tools stay once they are there."""
    return "dev" if dev or stamps.get("profile") == "dev" else "users"


def _python(layout: Layout, stamps: Stamps, *, as_root: bool) -> Path:
    """Return the Python that .venv is made from, or is to be made from.

    Raises InstallError if none fits.
    """
    named = os.environ.get("WAYLAB_PYTHON")
    if named:
        among: tuple[Path, ...] = (Path(named),)
    else:
        kept = stamps.get("python")
        if kept and stamps.get("venv") and _starts(layout.python):
            return Path(kept)
        among = interpreter.candidates()
    chosen = interpreter.choose(among, for_other_accounts=as_root)
    stamps.keep("python", str(chosen.executable))
    return chosen.executable


def _starts(python: Path) -> bool:
    """Tell whether the environment's Python still runs, with its own packages.

    It does not when the system's Python has moved to another minor version.
    """
    try:
        subprocess.run(
            [python, "-I", "-c", "import pip"],
            capture_output=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _node_home(stamps: Stamps) -> str:
    home = node.decide(stamps.get("node"), os.environ.get("PATH", os.defpath))
    stamps.keep("node", home)
    return home


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
