"""Another machine of the network: a network namespace, and the hub's public address."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from waylab_rig.requirements import find


@dataclass(frozen=True)
class OtherMachine:
    """It reaches the hub's machine at one address, and nothing else."""

    name: str
    hub_address: str

    def run(
        self, home: Path, *command: str, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there, with a home folder and no other variables."""
        return subprocess.run(
            [_ip(), "netns", "exec", self.name, *command],
            env={"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )


@contextmanager
def other_machine() -> Iterator[OtherMachine]:
    """Give one; skip the test where this machine makes none."""
    if os.geteuid() != 0 or find("ip") is None:
        pytest.skip("network namespaces need root and the program `ip`")
    word = secrets.token_hex(3)
    name, here = f"waylab-pc-{word}", f"wpc{word}"
    # 198.18.0.0/15 is kept for tests between devices (RFC 2544).
    net = f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(64) * 4}"
    stem, _, last = net.rpartition(".")
    ours, theirs = f"{stem}.{int(last) + 1}", f"{stem}.{int(last) + 2}"
    made = subprocess.run(
        [_ip(), "netns", "add", name], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"this machine makes no network namespace: {made.stderr.strip()}")
    try:
        _run("link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("addr", "add", f"{ours}/30", "dev", here)
        _run("link", "set", here, "up")
        _run("-n", name, "addr", "add", f"{theirs}/30", "dev", "eth0")
        _run("-n", name, "link", "set", "eth0", "up")
        yield OtherMachine(name, ours)
    finally:
        # The link in it goes with the namespace.
        _run("netns", "del", name)


@contextmanager
def shown_at(address: str, port: int) -> Iterator[str]:
    """Hand on what comes to an address to a port of loopback, as a proxy in front does.

    Gives the public address.
    """
    listener = socket.create_server((address, 0))
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            try:
                link, _ = listener.accept()
            except OSError:
                return
            try:
                inside = socket.create_connection(("127.0.0.1", port))
            except OSError:
                link.close()
                continue
            for one, other in ((link, inside), (inside, link)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://{address}:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


def _ip() -> str:
    return find("ip") or "ip"


def _run(*words: str) -> None:
    subprocess.run([_ip(), *words], check=True, timeout=20)
