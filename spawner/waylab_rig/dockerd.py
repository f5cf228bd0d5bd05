"""The container engine of one simulated node, as a child of this process."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_rig.errors import RigError
from waylab_rig.places import Places
from waylab_rig.requirements import SBIN, find

HOOK = "nvidia-container-runtime-hook"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def start(places: Places, *, keep_containers: bool) -> subprocess.Popen[bytes]:
    """Start the engine; its bridge, devices and stand-ins are there already.

    It ends when this process does. With `keep_containers`, they outlive it.

    Raises:
        RigError: it does not start.
    """
    _write_hook(places)
    places.exec_root.mkdir(parents=True, exist_ok=True)
    configuration = places.folder / "daemon.json"
    # Engines before 23 keep their ID in a file that all on a machine would share.
    own = {"deprecated-key-path": str(places.folder / "key.json")}
    configuration.write_text(json.dumps(own if _is_old() else {}), "utf-8")
    command = [
        find("dockerd") or "dockerd",
        *("--config-file", str(configuration)),
        *("--data-root", str(places.data_root)),
        *("--exec-root", str(places.exec_root)),
        *("--pidfile", str(places.pid_file)),
        *("--host", places.address.url),
        *("--bridge", places.bridge),
        *("--cgroup-parent", places.cgroup),
        *("--shutdown-timeout", "10"),
        *("--log-level", "warn"),
        "--iptables=false",
        "--ip6tables=false",
        f"--live-restore={str(keep_containers).lower()}",
    ]
    with places.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - no shell; every part is built here.
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={
                "PATH": f"{places.programs}:{os.environ.get('PATH', os.defpath)}:{SBIN}"
            },
            cwd=places.folder,
            # Its own group: Ctrl-C at a terminal is for us to pass on.
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - a single call of libc.
        )
    _wait_for(process, places)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the engine and wait for it; by force if it does not end in time."""
    if process.poll() is None:
        # A stopped process would only end once it goes on.
        process.send_signal(signal.SIGCONT)
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], places: Places) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Engine(places.address, timeout_seconds=5) as engine:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                engine.info()
            except EngineError:
                time.sleep(0.05)
            else:
                return
    stop(process)
    said = places.log.read_text("utf-8", "replace").strip().splitlines()[-3:]
    msg = f"The engine of {places.folder} does not start: {' / '.join(said)[:600]}"
    raise RigError(msg)


def _write_hook(places: Places) -> None:
    places.programs.mkdir(parents=True, exist_ok=True)
    hook = Path(__file__).with_name("hook.py")
    command = [sys.executable, "-I", "-S", str(hook)]
    command += [str(places.devices), str(places.standins)]
    script = places.programs / HOOK
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', "utf-8")
    script.chmod(0o755)


def _is_old() -> bool:
    """Tell whether the engine still has its ID in the file of its key."""
    said = subprocess.run(  # noqa: S603 - no shell, nothing from outside.
        [find("dockerd") or "dockerd", "--version"],
        capture_output=True,
        text=True,
        timeout=STOP_SECONDS,
        check=False,
    ).stdout
    version = said.partition("version ")[2].partition(".")[0]
    return not version.isdigit() or int(version) < 23  # noqa: PLR2004


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
