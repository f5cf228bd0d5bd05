"""Clears away what the engine of a simulated node leaves on the machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from waylab_rig import network
from waylab_rig.places import RUN, Places
from waylab_rig.requirements import find

_SECONDS = 15.0
_CGROUPS = Path("/sys/fs/cgroup")
_SHIMS = ("containerd-shim-runc-v2", "containerd-shim-runc-v1", "containerd-shim")


def own(places: Places, *, keep_containers: bool) -> None:
    """Write down that this process keeps the node."""
    places.run.mkdir(parents=True, exist_ok=True)
    fields = {
        "folder": str(places.folder.resolve()),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "keep_containers": keep_containers,
    }
    places.owner.write_text(json.dumps(fields), "utf-8")


def owner(places: Places) -> int | None:
    """Give the living process that keeps the node, if there is one."""
    return _living(_read(places.owner))


def sweep() -> None:
    """Clear away nodes whose keeper died, unless their containers are to be kept."""
    for record in RUN.glob("*/owner.json") if RUN.is_dir() else ():
        fields = _read(record)
        folder = Path(str(fields.get("folder", "")))
        if _living(fields) is not None:
            continue
        if fields.get("keep_containers") and folder.is_dir():
            continue
        places = Places(folder)
        if places.run == record.parent:
            clear(places)


def end_engine(places: Places) -> None:
    """End an engine of this node that has lost its keeper; its containers stay."""
    pids = _with_argument(str(places.exec_root), "dockerd", "containerd")
    _end(pids, signal.SIGTERM)
    _wait(lambda: not any(map(_is_alive, pids)))
    _end(pids, signal.SIGKILL)
    # An engine that was killed leaves the id of a containerd that died with it, and
    # the next one would wait for that process.
    (places.exec_root / "containerd" / "containerd.pid").unlink(missing_ok=True)


def clear(places: Places) -> None:
    """End what runs for the node; remove its mounts, cgroups, bridge and run folder.

    The engine's data stays. Idempotent.
    """
    end_engine(places)
    shims = _with_argument(str(places.exec_root), *_SHIMS)
    _end([*_in_cgroup(places), *shims], signal.SIGKILL)
    _wait(lambda: not any(map(_is_alive, shims)) and not list(_in_cgroup(places)))
    for mount in sorted(_mounts(places), key=len, reverse=True):
        subprocess.run(  # noqa: S603 - no shell; a path of this node.
            [find("umount") or "umount", "--lazy", mount],
            check=False,
            capture_output=True,
            timeout=_SECONDS,
        )
    _remove_cgroups(places)
    network.remove(places.bridge)
    shutil.rmtree(places.run, ignore_errors=True)


def _read(path: Path) -> dict[str, object]:
    try:
        fields = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _living(fields: dict[str, object]) -> int | None:
    pid = fields.get("pid")
    if not isinstance(pid, int) or _started(pid) != fields.get("started"):
        return None
    return pid


def _started(pid: int) -> str | None:
    """Give what tells a process from a later one with the same id."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _with_argument(part: str, *programs: str) -> list[int]:
    """Find processes of these programs that were given a path of this node."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            program = arguments.partition("\0")[0].rpartition("/")[2]
            if program in programs and part in arguments:
                found.append(int(entry.name))
    return found


def _in_cgroup(places: Places) -> Iterator[int]:
    for listing in _CGROUPS.glob(f"*/{places.cgroup}/*/cgroup.procs"):
        with contextlib.suppress(OSError):
            yield from map(int, listing.read_text("utf-8").split())
    for listing in _CGROUPS.glob(f"{places.cgroup}/*/cgroup.procs"):
        with contextlib.suppress(OSError):
            yield from map(int, listing.read_text("utf-8").split())


def _remove_cgroups(places: Places) -> None:
    tops = [*_CGROUPS.glob(f"*/{places.cgroup}"), *_CGROUPS.glob(places.cgroup)]
    for top in tops:
        folders = [folder for folder in top.rglob("*") if folder.is_dir()]
        for folder in [*sorted(folders, key=lambda one: -len(str(one))), top]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _mounts(places: Places) -> set[str]:
    below = (f"{places.run}/", f"{places.folder.resolve()}/")
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    points = (line.split()[4].replace("\\040", " ") for line in lines)
    return {point for point in points if point.startswith(below)}


def _end(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait(is_over: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not is_over() and time.monotonic() < deadline:
        time.sleep(0.02)
