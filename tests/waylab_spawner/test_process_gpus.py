"""Labs as processes with GPUs of the ledger: a real hub, a real board."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil
import pytest
from tests.waylab_spawner.ground import running_ground

from waylab_agent.processes import leased
from waylab_board.testing import RunningBoard
from waylab_engine.marks import scope
from waylab_hub.testing import open_folder, remove_accounts
from waylab_ledger.client import LedgerError
from waylab_ledger.values import Device, DeviceKind, Found, NodeReport
from waylab_rig.devices import of_node
from waylab_site.model import Site
from waylab_spawner import processes
from waylab_spawner.testing import Hub, NotHere, proxy_program, wait_for

try:
    proxy_program()
    _missing = ""
except NotHere as error:
    _missing = str(error)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(_missing), reason=_missing),
]
SITE_ID = "procgpus"
NODE = "local"
GPUS = tuple(gpu.uuid for gpu in of_node(NODE, "RTX 4090", 2, 24))
SITE = Site.model_validate(
    {
        "nodes": [{"name": NODE, "address": "local", "engine": "none"}],
        "queues": [{"name": "default"}],
        "profiles": [
            {"name": "cpu", "title": "No GPU"},
            {"name": "one", "title": "One GPU", "gpus": 1},
        ],
    }
)


class Agent:
    """What the node's agent tells the board of its processes; GPUs are simulated."""

    def __init__(self, board: RunningBoard) -> None:
        """Report once, and go on."""
        self._client = board.node(NODE)
        self._client.epoch("agent")
        self._over = threading.Event()
        self._reports = 0
        self._report()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Fall silent."""
        self._over.set()
        self._thread.join(10)
        self._client.close()

    def wait_for_reports(self, count: int) -> None:
        """Wait until so many more have begun and been taken."""
        wanted = self._reports + count + 1  # One may be under way.
        wait_for(lambda: self._reports >= wanted, 20, lambda: "no reports")

    def _run(self) -> None:
        while not self._over.wait(0.3):
            try:
                self._report()
            except LedgerError:
                continue

    def _report(self) -> None:
        began = datetime.now(UTC)
        found = tuple(
            Found(lease, lease, holder, devices, "running")
            for lease, (holder, devices) in leased(scope(SITE_ID, NODE)).items()
        )
        devices = tuple(
            Device(uuid, NODE, DeviceKind.GPU, index, "RTX 4090", simulated=True)
            for index, uuid in enumerate(GPUS)
        )
        self._client.report(
            NodeReport(
                NODE, "agent", began, devices, found, complete=True, processes=True
            )
        )
        self._reports += 1


@dataclass(frozen=True)
class Ground:
    """The running parts."""

    hub: Hub
    board: RunningBoard
    agent: Agent

    def environment(self, user: str) -> dict[str, str]:
        """Give the environment of a lab's own process."""
        (pid,) = processes.marked(f"{SITE_ID}/{user}/")
        environment: dict[str, str] = psutil.Process(pid).environ()
        return environment

    def held(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Give state and devices of each holder's lease."""
        leases = self.board.state().leases
        return {one.holder: (str(one.state), tuple(one.devices)) for one in leases}


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with ExitStack() as stack:
        root = stack.enter_context(open_folder())
        stack.callback(remove_accounts, root / "homes")
        for name in ("logs", "homes", "hub"):
            (root / name).mkdir()
        hub = Hub(root / "hub", {})
        board = stack.enter_context(running_ground(root, SITE, hub))
        hub.traits = {
            **hub.traits,
            "site_id": SITE_ID,
            "places": [{"node": NODE, "gpus": True}],
            "homes": str(root / "homes"),
            "isolated": os.geteuid() == 0,
            "lab_logs": str(root / "logs"),
            "notebook_templates": str(root),
            "start_timeout": 60,
        }
        stack.callback(
            processes.end,
            lambda: processes.marked_of_site(SITE_ID),
            grace_seconds=2.0,
        )
        stack.callback(hub.stop)
        hub.start()
        agent = Agent(board)
        stack.callback(agent.stop)
        for user in ("ann", "bob"):
            hub.add_user(user)
        yield Ground(hub, board, agent)


def test_a_process_sees_its_lease_and_keeps_it_over_a_crash_of_the_hub(
    ground: Ground,
) -> None:
    ground.hub.spawn("ann", {"profile": "one"}).raise_for_status()
    ground.hub.wait_ready("ann")
    before = ground.held()
    state, devices = before["lab:ann/"]
    environment = ground.environment("ann")

    ground.hub.kill()
    ground.hub.start()
    ground.hub.wait_ready("ann")

    assert (state, len(devices)) == ("active", 1)
    assert environment["CUDA_VISIBLE_DEVICES"] == devices[0]
    assert environment["NVIDIA_VISIBLE_DEVICES"] == devices[0]
    assert ground.held() == before
    ground.hub.stop_lab("ann")
    ground.hub.wait_gone("ann")
    ground.board.until(lambda state: not state.leases, 20)
    assert processes.marked(f"{SITE_ID}/ann/") == ()


def test_a_lab_without_a_gpu_sees_none_and_holds_nothing(ground: Ground) -> None:
    ground.hub.spawn("bob", {"profile": "cpu"}).raise_for_status()
    ground.hub.wait_ready("bob")

    assert ground.environment("bob")["CUDA_VISIBLE_DEVICES"] == ""
    assert ground.held() == {}
    ground.hub.stop_lab("bob")
    ground.hub.wait_gone("bob")


def test_a_lab_that_ends_while_the_hub_is_away_frees_its_gpu(ground: Ground) -> None:
    ground.hub.spawn("ann", {"profile": "one"}).raise_for_status()
    ground.hub.wait_ready("ann")
    ground.hub.kill()

    processes.end(lambda: processes.marked(f"{SITE_ID}/ann/"), grace_seconds=0.0)

    ground.board.until(lambda state: not state.leases, 20)
    ground.hub.start()
    wait_for(lambda: ground.hub.server("ann") is None, 30, lambda: ground.hub.log)
    ground.hub.spawn("ann", {"profile": "one"}).raise_for_status()
    ground.hub.wait_ready("ann")
    assert ground.held()["lab:ann/"][0] == "active"
    ground.hub.stop_lab("ann")
    ground.hub.wait_gone("ann")


def test_what_a_lab_leaves_behind_keeps_its_gpu(ground: Ground) -> None:
    ground.hub.spawn("ann", {"profile": "one"}).raise_for_status()
    ground.hub.wait_ready("ann")
    stray = subprocess.Popen(["/bin/sleep", "60"], env=ground.environment("ann"))
    ground.hub.kill()
    for pid in processes.marked(f"{SITE_ID}/ann/"):
        if pid != stray.pid:
            os.kill(pid, signal.SIGKILL)

    ground.agent.wait_for_reports(2)
    held = ground.held()["lab:ann/"][0]
    stray.kill()
    stray.wait(10)

    assert held == "active"
    ground.board.until(lambda state: not state.leases, 20)
    ground.hub.start()
    wait_for(lambda: ground.hub.server("ann") is None, 30, lambda: ground.hub.log)
