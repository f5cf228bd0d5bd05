"""A real board for tests: a process of its own on a free port."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from waylab_board.node_keys import NodeKeys
from waylab_ledger.client import BoardClient, NodeBoard
from waylab_ledger.values import Device, DeviceKind, Found, NodeReport
from waylab_ledger.wire import BoardState, Orders, decode
from waylab_site.model import Site

READY_SECONDS = 90.0
_PAUSE_SECONDS = 0.05
_REPORT_SECONDS = 0.2


class RunningBoard:
    """A running board; `kill` and `restart` are for tests of faults."""

    def __init__(
        self, state: Path, site: Site, port: int, settings: dict[str, str]
    ) -> None:
        """Nothing runs before `start`."""
        self.state_folder = state
        self.site = site
        self.port = port
        self.hub_token_file = state / "hub-token"
        self.operator_file = state / "board-operator.json"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._opened: list[NodeBoard] = []
        self._http = httpx.Client(
            timeout=90,  # An audit waits for agents.
            trust_env=False,
            # Nothing is encrypted here, and reading all authorities takes its time.
            verify=False,  # noqa: S501
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        (state / "site.json").write_text(site.model_dump_json(), encoding="utf-8")
        if not self.hub_token_file.exists():
            self.hub_token_file.write_text(secrets.token_hex(32), encoding="ascii")

    @property
    def url(self) -> str:
        """The board's base."""
        prefix = self._settings.get("WAYLAB_BOARD_PREFIX", "/services/gpus")
        return f"http://127.0.0.1:{self.port}{prefix}"

    @property
    def api(self) -> str:
        """Base of the REST interface."""
        return f"{self.url}/api/v1"

    @property
    def log(self) -> str:
        """What the board printed."""
        return (self.state_folder / "board.log").read_text("utf-8")

    @property
    def pid(self) -> int:
        """Its process."""
        if self._process is None:
            msg = "The board was not started."
            raise RuntimeError(msg)
        return self._process.pid

    @property
    def hub_token(self) -> str:
        """The token of the hub's process."""
        return self.hub_token_file.read_text("ascii")

    @property
    def operator_token(self) -> str:
        """The token of the command line on the hub's machine."""
        return str(json.loads(self.operator_file.read_text("utf-8"))["token"])

    def start(self) -> None:
        """Start the process and wait until it answers."""
        environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("WAYLAB_")},
            "WAYLAB_BOARD_DATABASE_URL": f"sqlite:///{self.state_folder}/ledger.sqlite",
            "WAYLAB_BOARD_PORT": str(self.port),
            "WAYLAB_BOARD_SITE_FILE": str(self.state_folder / "site.json"),
            "WAYLAB_BOARD_NODE_KEYS_FOLDER": str(self.state_folder / "node-keys"),
            "WAYLAB_BOARD_HUB_TOKEN_FILE": str(self.hub_token_file),
            "WAYLAB_BOARD_OPERATOR_FILE": str(self.operator_file),
            **self._settings,
        }
        with (self.state_folder / "board.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "waylab_board"],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self._http.get(f"{self.url}/health").is_success:
                    return
            except httpx.TransportError:
                time.sleep(_PAUSE_SECONDS)
        self.kill()
        msg = f"The board did not start:\n{self.log}"
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

    @property
    def has_ended(self) -> bool:
        """Whether it was started and runs no more."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """End the process as a crash would."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Kill the process and start another at the same address."""
        self.kill()
        self.start()

    def client(self, **arguments: Any) -> BoardClient:
        """Give a client with the hub's token."""
        return BoardClient(self.url, self.hub_token, **arguments)

    def node_token(self, node: str) -> str:
        """Make a token for a node's agent, as joining does; earlier ones end."""
        keys = NodeKeys(self.state_folder / "node-keys")
        return keys.issue(node, "tests", datetime.now(UTC))[1]

    def node(self, name: str, **arguments: Any) -> NodeBoard:
        """Give a client for a node's agent; it is closed with the board."""
        client = NodeBoard(self.url, self.node_token(name), **arguments)
        self._opened.append(client)
        return client

    def close(self) -> None:
        """End the process and close the clients that were given."""
        self.stop()
        self._http.close()
        for client in self._opened:
            client.close()

    def call(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> httpx.Response:
        """Send a request to the REST interface, as the operator if not said else."""
        used = self.operator_token if token is None else token
        headers = {"Authorization": f"token {used}"} if used else {}
        return self._http.request(method, self.api + path, json=body, headers=headers)

    def state(self) -> BoardState:
        """Give what the board shows."""
        return decode(BoardState, self.call("GET", "/state").raise_for_status().json())

    def until(
        self, condition: Callable[[BoardState], bool], seconds: float = 10.0
    ) -> BoardState:
        """Wait for a state of the board and give it.

        Raises:
            TimeoutError: with the last state and the log.
        """
        deadline = time.monotonic() + seconds
        while not condition(state := self.state()):
            if time.monotonic() > deadline:
                msg = f"Not within {seconds:g} s: {state}\n{self.log}"
                raise TimeoutError(msg)
            time.sleep(_PAUSE_SECONDS)
        return state


class FakeNode:
    """What a node's agent does towards the board, without a machine behind it."""

    def __init__(
        self, board: RunningBoard, name: str, devices: Sequence[Device]
    ) -> None:
        """Register an epoch and report; the first report hears the version."""
        self.name = name
        self.devices = tuple(devices)
        self.found: tuple[Found, ...] = ()
        self.epoch = f"agent-{name}-{secrets.token_hex(4)}"
        self.utilisation: dict[str, dict[str, float]] = {}
        self.board = board.node(name)
        self.board.epoch(self.epoch)
        self.report()
        self.report()

    def report(self, *, complete: bool = True) -> Orders:
        """Report what there is now."""
        return self.board.report(
            NodeReport(
                node=self.name,
                epoch=self.epoch,
                began_at=datetime.now(UTC),
                devices=self.devices,
                found=self.found,
                complete=complete,
                engine_id=f"engine-of-{self.name}",
                utilisation=self.utilisation,
            )
        )

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Report on and on meanwhile, as an agent does."""
        ended = threading.Event()

        def report() -> None:
            while not ended.wait(_REPORT_SECONDS):
                self.report()

        with ThreadPoolExecutor(1) as pool:
            reports = pool.submit(report)
            try:
                yield
            finally:
                ended.set()
            reports.result()


def gpus(
    node: str, count: int, model: str = "A100", gib: int = 80, *, simulated: bool = True
) -> tuple[Device, ...]:
    """Give equal GPUs of a node."""
    return tuple(
        Device(
            id=f"GPU-{node}-{index}",
            node=node,
            kind=DeviceKind.GPU,
            index=index,
            model=model,
            memory_bytes=gib * 1024**3,
            simulated=simulated,
        )
        for index in range(count)
    )


def slots(
    node: str, count: int, kind: DeviceKind = DeviceKind.CPU
) -> tuple[Device, ...]:
    """Give slots of a node for jobs without a GPU, or for controllers."""
    return tuple(
        Device(id=f"{kind}:{node}:{index}", node=node, kind=kind, index=index)
        for index in range(count)
    )


def free_port() -> int:
    """Give a port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def running_board(state: Path, site: Site, **settings: str) -> Iterator[RunningBoard]:
    """Run a board with its state in a folder.

    `settings` are those of `BoardSettings` by name, such as `hub_api_url="…"`. Without
    a hub nobody signs in and no lab is started; without tracking no queue is mirrored.
    """
    state.mkdir(parents=True, exist_ok=True)
    port = int(settings.pop("port", 0)) or free_port()
    named = {
        f"WAYLAB_BOARD_{name.upper()}": str(text) for name, text in settings.items()
    }
    board = RunningBoard(state, site, port, named)
    board.start()
    try:
        yield board
    finally:
        board.close()
