"""A whole session, run where nothing that it changes is the machine's own.

`clearml-session` gives its worker's root a password, writes below `/etc` and starts an
SSH server on all addresses. So server, agent and client run as one program in a network
of their own, on a copy of the file system that goes when the program ends.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.waylab_tracking.conformance import violations
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.sdk import Sdk
from tests.waylab_tracking.test_sdk_queues import stock_agent

from waylab_tracking.testing import Server, running_server

PACKAGES = Path.home() / ".cache" / "waylab" / "sshd"
PROGRAM = str(Path(sys.executable).with_name("clearml-session"))
SECONDS = 120
# $1: an empty folder, $2: the packages with the SSH server, then the command.
ENTER = """
set -e
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
for package in "$2"/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$1/root"
done
cp "$1/root/usr/share/openssh/sshd_config" "$1/root/etc/ssh/"
mkdir -p "$1/root/run/sshd"
root="$1/root"
shift 2
ip link set lo up
chroot "$root" sh -c 'id sshd >/dev/null 2>&1 || useradd -r -d /run/sshd sshd'
exec chroot "$root" "$@"
"""


def is_possible() -> bool:
    """Say whether this account may, and whether the SSH server's packages are there."""
    return os.geteuid() == 0 and any(PACKAGES.glob("openssh-server_*.deb"))


def run_apart(folder: Path) -> Any:
    """Run this module apart from the machine, and give what it found."""
    folder.mkdir()
    root = Path(__file__).resolve().parents[2]
    inner = f"cd {root} && exec {sys.executable} -m tests.waylab_tracking.session_world"
    done = subprocess.run(
        [
            *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"),
            *("sh", "-c", ENTER, "sh", str(folder), str(PACKAGES)),
            *("sh", "-c", inner),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Ask for a session, see its JupyterLab through the tunnel, and shut it down."""
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_server(folder / "state", record=True) as server:
            with stock_agent(server, folder / "agent", "default"):
                found = _session(server, folder)
            found["violations"] = violations(server.recorded())
    print(json.dumps(found))


def _session(server: Server, folder: Path) -> dict[str, Any]:
    home = folder / "home"
    home.mkdir()
    user = Sdk(server, home, server.create_user("ann"))
    log = folder / "session.log"
    wanted = (
        *("--queue", "default", "--yes", "--session-name", "a session"),
        *("--jupyter-lab", "true", "--vscode-server", "false", "--password", "secret"),
        *("--remote-gateway", "127.0.0.1", "--disable-fingerprint-check"),
    )
    with log.open("wb") as output:
        client = subprocess.Popen(
            [PROGRAM, *wanted],
            env=user.environment(),
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    door = Door(server, user.keys)
    try:
        address = _address(client, log)
        page = _page(address)
        [task] = door.call("tasks.get_all", name="^a session$")["tasks"]
        subprocess.run(
            [PROGRAM, "shutdown", "--id", task["id"]],
            env=user.environment(),
            cwd=home,
            input=b"y\n",
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        end = _end(door, task["id"])
    finally:
        client.kill()
        client.wait()
        door.close()
    return {"jupyter": "<title>JupyterLab</title>" in page, "end": end}


def _address(client: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and client.poll() is None:
        told = log.read_text("utf-8", "replace")
        if found := re.search(r"http://localhost(:\d+/\?token=\w+)", told):
            return f"http://127.0.0.1{found[1]}"
        time.sleep(0.2)
    raise TimeoutError(log.read_text("utf-8", "replace"))


def _page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310
        return str(answer.read().decode())


def _end(door: Door, task: str) -> str:
    deadline = time.monotonic() + 60
    status = "in_progress"
    while status == "in_progress" and time.monotonic() < deadline:
        status = door.call("tasks.get_by_id", task=task)["task"]["status"]
        time.sleep(0.2)
    return status


if __name__ == "__main__":
    main()
