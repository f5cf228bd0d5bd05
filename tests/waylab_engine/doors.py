"""Ways to an engine of this machine as to one that is far away: by TLS and by SSH."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko
from certipy import Certipy

from waylab_engine.ssh_socket import DIAL


@dataclass
class Door:
    """Where to knock, and whether anything that comes is handed through."""

    port: int
    is_open: threading.Event


@contextmanager
def tls_door(socket_path: Path, certificates: Path) -> Iterator[Door]:
    """Hand TLS with the right certificate of a client through to an engine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def serve(link: socket.socket, is_open: threading.Event) -> None:
        with context.wrap_socket(link, server_side=True) as inside:
            _relay(inside, socket_path, is_open)

    with _listening(serve) as door:
        yield door


def certificates(folder: Path, name: str, authority: Path | None = None) -> Path:
    """Make the three files that docker's TLS wants, of a new authority or a given one.

    Gives their folder.
    """
    store = authority or folder / "authority"
    maker = Certipy(store_dir=str(store))
    if authority is None:
        maker.create_ca("ca")
    pair = maker.create_signed_pair(name, "ca", alt_names=["IP:127.0.0.1"])
    made = folder / name
    made.mkdir()
    shutil.copy(pair["files"]["cert"], made / "cert.pem")
    shutil.copy(pair["files"]["key"], made / "key.pem")
    shutil.copy(maker.store.get_record("ca")["files"]["cert"], made / "ca.pem")
    return made


@contextmanager
def ssh_door(socket_path: Path, key: paramiko.PKey) -> Iterator[Door]:
    """Let in whoever has the key, and run the one command that docker needs."""
    host_key = paramiko.RSAKey.generate(2048)

    class Doorman(paramiko.ServerInterface):  # type: ignore[misc]
        def __init__(self, is_open: threading.Event) -> None:
            self.is_open = is_open

        def get_allowed_auths(self, username: str) -> str:
            return "publickey"

        def check_auth_publickey(self, username: str, key_shown: paramiko.PKey) -> int:
            known = username == "waylab" and key_shown.asbytes() == key.asbytes()
            return int(paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED)

        def check_channel_request(self, kind: str, chanid: int) -> int:
            return int(paramiko.OPEN_SUCCEEDED)

        def check_channel_exec_request(
            self, channel: paramiko.Channel, command: bytes
        ) -> bool:
            if command.decode() != DIAL:
                return False
            target = lambda: _relay(channel, socket_path, self.is_open)  # noqa: E731
            threading.Thread(target=target, daemon=True).start()
            return True

    def serve(link: socket.socket, is_open: threading.Event) -> None:
        transport = paramiko.Transport(link)
        transport.add_server_key(host_key)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.start_server(server=Doorman(is_open))
        transport.join()

    with _listening(serve) as door:
        yield door


def ssh_program(folder: Path, key: paramiko.PKey) -> Path:
    """Give a folder with an `ssh` that knows the key; it is the machine's own."""
    identity = folder / "identity"
    key.write_private_key_file(str(identity))
    program = folder / "bin" / "ssh"
    program.parent.mkdir()
    options = f"-i {identity} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no"
    known = f"-o UserKnownHostsFile={folder / 'known'} -o LogLevel=ERROR"
    program.write_text(
        f'#!/bin/sh\nexec {shutil.which("ssh")} -F none {options} {known} "$@"\n'
    )
    program.chmod(0o755)
    return program.parent


@contextmanager
def _listening(
    serve: Callable[[socket.socket, threading.Event], None],
) -> Iterator[Door]:
    is_open = threading.Event()
    is_open.set()
    listener = socket.create_server(("127.0.0.1", 0))
    door = Door(listener.getsockname()[1], is_open)

    def one(link: socket.socket) -> None:
        with link, contextlib.suppress(OSError):
            serve(link, is_open)

    def accept() -> None:
        with contextlib.suppress(OSError):  # Closed.
            while True:
                link, _ = listener.accept()
                threading.Thread(target=one, args=(link,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield door
    finally:
        is_open.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _relay(
    outside: socket.socket | paramiko.Channel,
    socket_path: Path,
    is_open: threading.Event,
) -> None:
    """Hand bytes through, both ways, until one side ends."""
    with (
        # One side has gone; paramiko tells of it by EOFError, also at the close.
        contextlib.suppress(OSError, EOFError),
        contextlib.closing(outside),
        socket.socket(socket.AF_UNIX) as engine,
        selectors.DefaultSelector() as ready,
    ):
        engine.connect(os.fspath(socket_path))
        ready.register(outside, selectors.EVENT_READ, engine)
        ready.register(engine, selectors.EVENT_READ, outside)
        while True:
            for found, _ in ready.select():
                content = found.fileobj.recv(65536)  # type: ignore[union-attr]
                is_open.wait()
                if not content:
                    return
                found.data.sendall(content)
