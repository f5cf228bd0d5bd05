"""A real tracking server for tests: a process of its own on a free port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from waylab_tracking.database import users
from waylab_tracking.identity import make_credentials
from waylab_tracking.moment import new_id, now
from waylab_tracking.strict import REFUSED

READY_SECONDS = 90.0


@dataclass(frozen=True)
class Exchange:
    """A call of the API and its answer: HTTP status and `data`.

    `client` is the official client that asked, such as `clearml-2.1.12`.
    """

    endpoint: str
    client: str
    request: str
    status: int
    data: Any


class Records:
    """What servers wrote to a folder of records."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._folder = folder
        self._read: dict[Path, int] = {}

    def fresh(self) -> Iterator[Exchange]:
        """Give what was written since the last time; a line torn by a kill is none."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read[path] = self._read.get(path, 0) + len(line)
                    yield Exchange(**json.loads(line))


class Server:
    """A running server; `kill` and `restart` are for tests of faults."""

    def __init__(
        self, state: Path, port: int, settings: dict[str, str], *, record: bool = False
    ) -> None:
        """Nothing runs before `start`."""
        self.state = state
        self.port = port
        self._settings = settings
        self._record = state / "exchanges" if record else None
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(
            base_url=self.url,
            timeout=30,
            trust_env=False,
            # Nothing is encrypted here, and reading all authorities takes its time.
            verify=False,  # noqa: S501
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    @property
    def url(self) -> str:
        """Base of the API and the pages."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def files_url(self) -> str:
        """Base of the file server."""
        return f"{self.url}/files"

    @property
    def web_url(self) -> str:
        """Base of the pages."""
        return self.url

    @property
    def is_strict(self) -> bool:
        """Whether it answers as an open ClearML Server does."""
        return self._settings.get("WAYLAB_TRACKING_STRICT") == "true"

    @property
    def refused_extensions(self) -> list[str]:
        """What a strict server was asked for in vain, as its log has it."""
        lines = self.log.read_text("utf-8").splitlines()
        return [line for line in lines if REFUSED in line]

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.state / "server.log"

    @property
    def pid(self) -> int:
        """The process that runs."""
        if self._process is None:
            msg = "The server does not run"
            raise RuntimeError(msg)
        return self._process.pid

    @property
    def system(self) -> tuple[str, str]:
        """Keys of the system principal."""
        keys = json.loads((self.state / "system.json").read_text("utf-8"))
        return keys["access_key"], keys["secret_key"]

    def start(self) -> None:
        """Start the process and wait until it answers."""
        environ = {
            **os.environ,
            "WAYLAB_TRACKING_STATE": str(self.state),
            "WAYLAB_TRACKING_PORT": str(self.port),
            "WAYLAB_TRACKING_SYSTEM_KEY_FILE": str(self.state / "system.json"),
            **self._settings,
        }
        if self._record is not None:
            environ["WAYLAB_TRACKING_RECORD"] = str(self._record)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "waylab_tracking"],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self._http.get("/debug.ping").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.kill()
        msg = f"The server did not start:\n{self.log.read_text('utf-8')}"
        raise RuntimeError(msg)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for it."""
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    def close(self) -> None:
        """End the process; the server is of no use afterwards."""
        self.stop()
        self._http.close()

    def kill(self) -> None:
        """End the process as a crash would."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Kill the process and start another at the same address."""
        self.kill()
        self.start()

    def call(self, endpoint: str, body: dict[str, Any], *, user: str = "") -> Any:
        """Call as the system principal, or in a user's place."""
        acts = user and not self.is_strict
        keys = self.system if acts or not user else self.create_user(user)
        login = self._http.post("/auth.login", json={}, auth=keys)
        headers = {"Authorization": f"Bearer {login.json()['data']['token']}"}
        if acts:
            headers["X-Clearml-Impersonate-As"] = user
        answer = self._http.post(f"/{endpoint}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()["data"]

    def recorded(self) -> tuple[Exchange, ...]:
        """Give what was called and answered, if the server was asked to record."""
        return () if self._record is None else tuple(Records(self._record).fresh())

    def create_user(self, name: str, role: str = "user") -> tuple[str, str]:
        """Make a user (or take the one of that name) and give new keys."""
        if self.is_strict:
            return self._enter_user(name, role)
        self.call("waylab.ensure_user", {"name": name, "role": role})
        made = self.call("auth.create_credentials", {"label": "test"}, user=name)
        return made["credentials"]["access_key"], made["credentials"]["secret_key"]

    def _enter_user(self, name: str, role: str) -> tuple[str, str]:
        """Write a user into the database: an open server has no endpoint for it."""
        engine = sa.create_engine(
            f"sqlite:///{self.state / 'tracking.sqlite'}", connect_args={"timeout": 30}
        )
        with engine.begin() as db:
            named = sa.select(users.c.id).where(users.c.name == name)
            user = db.execute(named).scalar()
            if user is None:
                user = new_id()
                made = {"created": now(), "active": True}
                row = users.insert().values(id=user, name=name, role=role, **made)
                db.execute(row)
            pair = make_credentials(db, str(user), "test")
        engine.dispose()
        return pair["access_key"], pair["secret_key"]


@contextmanager
def running_server(
    state: Path, *, record: bool = False, **settings: str
) -> Iterator[Server]:
    """Run a server with its state in a folder.

    `settings` are those of `TrackingSettings` by name, such as `prefix="/x"`. With
    `record`, `Server.recorded` tells every call of the API and its answer.
    """
    state.mkdir(parents=True, exist_ok=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    named = {
        f"WAYLAB_TRACKING_{name.upper()}": str(text) for name, text in settings.items()
    }
    server = Server(state, port, named, record=record)
    try:
        server.start()
        yield server
    finally:
        server.close()
