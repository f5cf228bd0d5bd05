"""A node that is gone, and what becomes of its job: never two at once that count."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.ledger_rig import LedgerRig, running_ledger
from tests.waylab_agent.rig import AgentProcess, Rig, running_rig

from waylab_agent.journal import Journal
from waylab_ledger.values import LeaseState
from waylab_tracking.testing import Server, running_server

GIVE_UP_SECONDS = 8.0
QUICK = "0.3"
# Says when it begins and, each moment, that it still runs; it reports nothing.
CODE = """
import os, pathlib, time
here = pathlib.Path({folder!r})
with (here / "begun").open("a") as begun:
    begun.write(f"{{os.getpid()}}\\n")
while not (here / "finish").exists():
    (here / f"alive-{{os.getpid()}}").touch()
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("impatient"),
        lost_seconds=str(GIVE_UP_SECONDS / 2),
        give_up_seconds=str(GIVE_UP_SECONDS),
        on_lost=json.dumps({"again": {"action": "requeue", "requeues": 3}}),
    ) as server:
        yield server


@pytest.fixture
def rig(tmp_path: Path, impatient: Server) -> Iterator[Rig]:
    with running_rig(tmp_path, impatient) as rig:
        yield rig


@pytest.fixture
def again(rig: Rig) -> Rig:
    """Give a rig whose queue takes lost jobs back."""
    rig.queue = "again"
    rig.queue_id("again")
    return rig


def enqueue(rig: Rig) -> tuple[str, Path]:
    """Enqueue the script; give its task and the folder that tells of it."""
    folder = rig.folder / "told"
    folder.mkdir()
    return rig.enqueue(CODE.format(folder=str(folder))), folder


def begun(folder: Path) -> list[int]:
    """Give the processes that began, in order."""
    told = folder / "begun"
    return [int(one) for one in told.read_text().split()] if told.exists() else []


def wait_for_begin(rig: Rig, folder: Path, count: int = 1) -> int:
    wait_until(lambda: len(begun(folder)) >= count, rig.logs, 60)
    return begun(folder)[-1]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill_all(rig: Rig, agent: AgentProcess) -> None:
    """Kill an agent and its jobs, as a power cut would."""
    agent.kill()
    for folder in Journal(rig.home / "agents" / "n1").folders():
        process = folder.read().process
        assert process is not None
        shim = psutil.Process(process.pid)
        for member in [shim, *shim.children(recursive=True)]:
            member.kill()


def test_a_job_whose_node_is_gone_fails_and_says_so(rig: Rig) -> None:
    agent = rig.start_agent(REPORT_SECONDS=QUICK)
    task, folder = enqueue(rig)
    wait_for_begin(rig, folder)
    kill_all(rig, agent)
    gone = time.monotonic()

    end = rig.end_of(task)
    took = time.monotonic() - gone

    assert end == ("failed", "agent-lost")
    assert took < GIVE_UP_SECONDS + 4
    assert "Nothing was heard" in rig.task(task)["status_message"]


def test_a_job_goes_on_while_its_agent_or_the_server_is_away_for_a_moment(
    rig: Rig, impatient: Server
) -> None:
    agent = rig.start_agent(REPORT_SECONDS=QUICK)
    task, folder = enqueue(rig)
    pid = wait_for_begin(rig, folder)

    agent.kill()
    time.sleep(GIVE_UP_SECONDS / 3)
    rig.start_agent(REPORT_SECONDS=QUICK)
    impatient.kill()
    time.sleep(GIVE_UP_SECONDS + 1)
    impatient.start()
    time.sleep(GIVE_UP_SECONDS / 2 + 1)

    assert rig.task(task)["status"] == "in_progress"
    assert is_alive(pid)
    (folder / "finish").touch()
    assert rig.end_of(task) == ("completed", "completed")
    assert begun(folder) == [pid]


def test_what_was_given_up_is_ended_when_its_node_is_back(again: Rig) -> None:
    agent = again.start_agent(REPORT_SECONDS=QUICK)
    task, folder = enqueue(again)
    old = wait_for_begin(again, folder)
    agent.kill()  # Its job runs on, out of sight.
    again.start_agent("n2", REPORT_SECONDS=QUICK)
    new = wait_for_begin(again, folder, 2)

    both_run = is_alive(old) and is_alive(new)
    again.start_agent("n1", REPORT_SECONDS=QUICK)
    wait_until(lambda: not is_alive(old), again.logs)
    time.sleep(1)
    status = again.task(task)["status"]
    (folder / "finish").touch()

    assert both_run  # Without a board nothing holds the second one back.
    assert status == "in_progress"
    assert again.end_of(task) == ("completed", "completed")
    assert begun(folder) == [old, new]
    assert again.task(task)["last_worker"].startswith("n2:")


def test_a_failed_job_is_ended_when_its_node_is_back(rig: Rig) -> None:
    agent = rig.start_agent(REPORT_SECONDS=QUICK)
    task, folder = enqueue(rig)
    old = wait_for_begin(rig, folder)
    agent.kill()
    end = rig.end_of(task)

    rig.start_agent(REPORT_SECONDS=QUICK)
    wait_until(lambda: not is_alive(old), rig.logs)

    assert end == ("failed", "agent-lost")
    assert rig.task(task)["status_reason"] == "agent-lost"


@pytest.fixture
def ledger(again: Rig) -> Iterator[LedgerRig]:
    with running_ledger(again) as ledger:
        yield ledger


def test_with_a_board_a_job_waits_until_its_lost_run_is_proved_gone(
    ledger: LedgerRig,
) -> None:
    rig = ledger.rig
    agent = ledger.start_agent(REPORT_SECONDS=QUICK)
    task, folder = enqueue(rig)
    lease = ledger.wait_for_lease(task, LeaseState.ACTIVE)
    old = wait_for_begin(rig, folder)
    agent.kill()
    ledger.start_agent("n2", REPORT_SECONDS=QUICK)
    wait_until(lambda: rig.task(task)["status"] == "queued", rig.logs, 30)
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        held = ledger.lease_of(task)
        assert held is not None
        assert held.id == lease.id
        assert begun(folder) == [old]
        time.sleep(0.1)

    ledger.start_agent("n1", REPORT_SECONDS=QUICK)
    new = wait_for_begin(rig, folder, 2)
    old_lives = is_alive(old)
    (folder / "finish").touch()

    assert not old_lives
    assert rig.end_of(task) == ("completed", "completed")
    assert begun(folder) == [old, new]
    ledger.wait_for_release()
