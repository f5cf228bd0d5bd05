"""Jobs under leases of a real board: one at a time on a device, freed on proof."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.faulty import Fault, FaultyServer, Moment, faulty
from tests.waylab_agent.ledger_rig import LedgerRig
from tests.waylab_agent.test_faults import (
    COUNT,
    expected,
    lines,
    remove,
    wait_for_end,
    write_claim,
)

from waylab_agent.journal import Journal, Phase
from waylab_agent.outbox import Outbox
from waylab_ledger.values import (
    DeviceKind,
    Holder,
    LeaseState,
    Proof,
    ProofKind,
    Request,
    Selector,
)
from waylab_ledger.wire import encode

CPU = DeviceKind.CPU
WAIT = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def board_proxy(lasting_ledger: LedgerRig) -> Iterator[FaultyServer]:
    with faulty(lasting_ledger.board.url) as proxy:
        yield proxy
        lasting_ledger.rig.stop_agents()


@pytest.fixture(scope="module")
def tracking_proxy(lasting_ledger: LedgerRig) -> Iterator[FaultyServer]:
    with faulty(lasting_ledger.rig.server.url) as proxy:
        yield proxy
        lasting_ledger.rig.stop_agents()


def test_a_job_holds_a_lease_while_it_runs_and_no_longer(ledger: LedgerRig) -> None:
    ledger.start_agent()
    task = ledger.rig.enqueue(WAIT)
    lease = ledger.wait_for_lease(task, LeaseState.ACTIVE)
    assert (lease.node, lease.devices) == ("n1", ("cpu:n1:0",))
    second = ledger.rig.enqueue("print('second')")
    ledger.rig.user.call("tasks.stop", {"task": task})
    assert ledger.rig.end_of(task) == ("stopped", "aborted")
    assert ledger.rig.end_of(second) == ("completed", "completed")
    ledger.wait_for_release()
    wait_until(lambda: not ledger.releases(), "told notes")


def test_what_runs_goes_on_without_the_board_and_is_told_later(
    ledger: LedgerRig,
) -> None:
    ledger.start_agent()
    task = ledger.rig.enqueue(COUNT.format(n=10, pause=0.2))
    ledger.rig.wait_for_line(task, "line 1\n")
    ledger.board.kill()
    assert ledger.rig.end_of(task) == ("completed", "completed")
    assert lines(ledger.rig.console(task)) == expected(10)
    waiting = ledger.rig.enqueue("print('later')")
    assert len(ledger.releases()) == 1
    ledger.board.restart()
    ledger.wait_for_release()
    assert ledger.rig.end_of(waiting) == ("completed", "completed")


def test_a_job_that_ends_without_agent_and_board_frees_its_device(
    ledger: LedgerRig,
) -> None:
    agent = ledger.start_agent()
    task = ledger.rig.enqueue(COUNT.format(n=5, pause=0.3))
    ledger.rig.wait_for_line(task, "line 0\n")
    ledger.board.kill()
    agent.kill()
    wait_for_end(ledger.rig, task)
    ledger.board.restart()
    assert ledger.lease_of(task) is not None
    ledger.start_agent()
    assert ledger.rig.end_of(task) == ("completed", "completed")
    ledger.wait_for_release()


def test_a_restarted_agent_keeps_the_lease_of_what_runs(ledger: LedgerRig) -> None:
    agent = ledger.start_agent()
    task = ledger.rig.enqueue(COUNT.format(n=1000, pause=0.1))
    before = ledger.wait_for_lease(task, LeaseState.ACTIVE)
    ledger.rig.wait_for_line(task, "line 1\n")
    agent.kill()
    ledger.start_agent()
    log = ledger.rig.agents[-1].log
    wait_until(lambda: "attached again" in log.read_text(), "the attachment")
    ledger.rig.wait_for_line(task, f"line {len(lines(ledger.rig.console(task))) + 5}\n")
    after = ledger.wait_for_lease(task, LeaseState.ACTIVE)
    assert after.id == before.id


def test_an_admin_s_end_stops_a_job_properly(ledger: LedgerRig) -> None:
    ledger.start_agent()
    task = ledger.rig.enqueue(WAIT)
    lease = ledger.wait_for_lease(task, LeaseState.ACTIVE)
    ledger.board.call("POST", f"/leases/{lease.id}/end", {}).raise_for_status()
    assert ledger.rig.end_of(task) == ("stopped", "aborted")
    ledger.wait_for_release()


def test_a_fenced_node_s_job_is_ended_before_anything_follows(
    ledger: LedgerRig,
) -> None:
    ledger.start_agent()
    task = ledger.rig.enqueue(WAIT)
    ledger.wait_for_lease(task, LeaseState.ACTIVE)
    ledger.rig.wait_for_line(task, "up")
    body = {"confirm": "n1"}
    ledger.board.call("POST", "/nodes/n1/fence", body).raise_for_status()
    assert ledger.rig.end_of(task) == ("failed", "agent-lost")
    assert "taken back" in ledger.rig.task(task)["status_message"]
    after = ledger.rig.enqueue("print('next')")
    assert ledger.rig.end_of(after)[0] == "completed"


def test_a_job_that_ended_before_its_lease_was_lost_keeps_its_own_end(
    ledger: LedgerRig,
) -> None:
    agent = ledger.start_agent()
    task = ledger.rig.enqueue(COUNT.format(n=3, pause=0.2))
    ledger.wait_for_lease(task, LeaseState.ACTIVE)
    agent.kill()
    wait_for_end(ledger.rig, task)
    fence = ledger.board.call("POST", "/nodes/n1/fence", {"confirm": "n1"})
    fence.raise_for_status()

    ledger.start_agent()

    assert ledger.rig.end_of(task) == ("completed", "completed")
    ledger.wait_for_release()


def test_processes_without_a_journal_keep_their_lease(ledger: LedgerRig) -> None:
    agent = ledger.start_agent()
    task = ledger.rig.enqueue(WAIT)
    ledger.wait_for_lease(task, LeaseState.ACTIVE)
    ledger.rig.wait_for_line(task, "up")
    agent.kill()
    folder = next(Journal(ledger.rig.home / "agents/n1").folders())
    entry = folder.read()
    folder.remove()
    ledger.start_agent()
    waiting = ledger.rig.enqueue("print('next')")
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert ledger.lease_of(task) is not None
        assert ledger.rig.task(waiting)["status"] == "queued"
    assert entry.process is not None
    ledger.board.call("POST", "/nodes/n1/fence", {"confirm": "n1"}).raise_for_status()
    # Now they are an orphan, which is ended before the device is given away.
    assert ledger.rig.end_of(waiting, 60)[0] == "completed"


def test_two_nodes_share_one_line(ledger: LedgerRig) -> None:
    order = ledger.rig.folder / "order"
    code = f"import time; open({str(order)!r}, 'a').write('%d '); time.sleep(0.3)"
    ledger.rig.stop_agents()
    tasks = [ledger.rig.enqueue(code % number) for number in range(4)]
    ledger.start_agent("n1")
    ledger.start_agent("n2")
    for task in tasks:
        assert ledger.rig.end_of(task, 90)[0] == "completed"
    assert sorted(order.read_text().split()) == list("0123")
    ledger.wait_for_release()


def test_sigint_aborts_jobs_and_gives_their_leases_back(ledger: LedgerRig) -> None:
    agent = ledger.start_agent()
    task = ledger.rig.enqueue(WAIT)
    ledger.wait_for_lease(task, LeaseState.ACTIVE)
    assert agent.end(signal.SIGINT) == 0
    assert ledger.rig.end_of(task) == ("stopped", "aborted")
    ledger.wait_for_release()


SCRIPT = "open({path!r}, 'a').write('ran '); print('line 0'); print('line 1')"
AT_A_START = ["report", "epochs"]
POINTS = ["take", "credentials", "active", "release", *AT_A_START]


def check(ledger: LedgerRig, task: str, fault: Fault) -> None:
    """The task ran once, completed, and nothing is held any more."""
    assert ledger.rig.end_of(task) == ("completed", "completed")
    assert fault.struck.is_set()
    assert (ledger.rig.folder / "runs").read_text() == "ran "
    jobs = ledger.rig.home / "agents/n1/jobs"
    wait_until(lambda: not list(jobs.iterdir()), "the end of the job's last trace")
    assert lines(ledger.rig.console(task)) == ["line 0", "line 1"]
    ledger.wait_for_release()
    wait_until(lambda: not ledger.releases(), "told notes")


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("endpoint", POINTS)
def test_wherever_the_agent_is_killed_a_lease_is_used_once(
    ledger: LedgerRig, board_proxy: FaultyServer, endpoint: str, moment: Moment
) -> None:
    fault = Fault(endpoint, moment)
    if endpoint in AT_A_START:
        ledger.rig.stop_agents()
        board_proxy.fault = fault
    agent = ledger.start_agent(proxy=board_proxy)
    fault.strike = agent.process.kill
    board_proxy.fault = fault
    task = ledger.rig.enqueue(SCRIPT.format(path=str(ledger.rig.folder / "runs")))
    assert fault.struck.wait(60)
    agent.process.wait(20)
    ledger.start_agent(proxy=board_proxy)
    check(ledger, task, fault)


@pytest.mark.parametrize("endpoint", POINTS)
def test_whichever_answer_of_the_board_is_lost_a_lease_is_used_once(
    ledger: LedgerRig, board_proxy: FaultyServer, endpoint: str
) -> None:
    if endpoint in AT_A_START:
        ledger.rig.stop_agents()
    board_proxy.fault = fault = Fault(endpoint, Moment.AFTER)
    ledger.start_agent(proxy=board_proxy)
    task = ledger.rig.enqueue(SCRIPT.format(path=str(ledger.rig.folder / "runs")))
    check(ledger, task, fault)


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("endpoint", ["queues.remove_task", "tasks.started"])
def test_a_claim_that_was_cut_off_keeps_its_lease_and_runs_once(
    ledger: LedgerRig, tracking_proxy: FaultyServer, endpoint: str, moment: Moment
) -> None:
    agent = ledger.start_agent(API_URL=tracking_proxy.url)
    tracking_proxy.fault = fault = Fault(endpoint, moment, agent.process.kill)
    task = ledger.rig.enqueue(SCRIPT.format(path=str(ledger.rig.folder / "runs")))
    assert fault.struck.wait(60)
    agent.process.wait(20)
    ledger.start_agent(API_URL=tracking_proxy.url)
    check(ledger, task, fault)


def test_a_lease_that_is_not_taken_back_silences_nobody(ledger: LedgerRig) -> None:
    ledger.start_agent(SLOTS="2")
    wait_until(lambda: len(ledger.board.state().nodes[0].devices) == 2, "the slots")
    lab = Request(
        key="lab", holder=Holder.lab("ada"), user="ada", selector=Selector(CPU)
    )
    body = {"request": encode(lab), "taker": "hub"}
    hub = ledger.board.hub_token
    ledger.board.call("POST", "/epochs", {"epoch": "hub"}, token=hub)
    answer = ledger.board.call("POST", "/requests", body, token=hub)
    lease = answer.raise_for_status().json()["lease"]["id"]
    outbox = Outbox(ledger.rig.home / "agents/n1")
    outbox.put(lease, Proof(ProofKind.NEVER_STARTED, by="nobody"))
    task = ledger.rig.enqueue("print('on')")
    assert ledger.rig.end_of(task) == ("completed", "completed")
    assert [one.id for one in ledger.board.state().leases if one.id == lease]
    body = {"proof": encode(Proof(ProofKind.NEVER_STARTED, by="hub"))}
    path = f"/leases/{lease}/release"
    ledger.board.call("POST", path, body, token=hub).raise_for_status()
    (note,) = ledger.releases()
    note.unlink()  # It is refused for ever.


def test_a_full_disk_costs_no_lease(ledger: LedgerRig) -> None:
    ledger.rig.stop_agents()
    agent = ledger.start_agent()
    state = ledger.rig.home / "agents/n1"
    wait_until(lambda: "Serving" in agent.said(), "the agent")
    for name in ("jobs", "releases"):
        (state / name).rmdir()
        (state / name).write_text("in the way")
    task = ledger.rig.enqueue("print('after all')")
    wait_until(lambda: "Not a directory" in agent.said(), "trouble")
    for name in ("jobs", "releases"):
        (state / name).unlink()
        (state / name).mkdir(0o700)
    assert ledger.rig.end_of(task) == ("completed", "completed")
    ledger.wait_for_release()


def test_a_started_task_whose_lease_is_gone_is_given_an_end(ledger: LedgerRig) -> None:
    ledger.rig.stop_agents()
    marked, ended = ledger.rig.enqueue("print(1)"), ledger.rig.enqueue("print(2)")
    for task in (marked, ended):
        remove(ledger.rig, task)
        write_claim(ledger.rig, task, Phase.CLAIMED)
    body = {"task": marked, "status_reason": "Claimed by n1:cpu0 (0123456789abcdef)"}
    agent = ledger.rig.client(*ledger.rig.agent)
    agent.call("tasks.started", body, execution="0123456789abcdef")
    ledger.rig.system.call("tasks.stopped", {"task": ended, "force": True})
    ledger.start_agent()
    assert ledger.rig.end_of(marked) == ("failed", "agent-lost")
    jobs = ledger.rig.home / "agents/n1/jobs"
    wait_until(lambda: not list(jobs.iterdir()), "the journal's end")
    assert "1" not in ledger.rig.console(marked).split()
