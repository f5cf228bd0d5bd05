"""Crashes and restarts, at the level of real processes."""

from __future__ import annotations

import signal

import psutil
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.rig import Rig

from waylab_agent.gate import Grant
from waylab_agent.journal import GrantEntry, JobEntry, Journal, Phase

COUNT = (
    "import time\n"
    "for i in range({n}):\n"
    "    print('line', i, flush=True)\n"
    "    time.sleep({pause})\n"
)


def lines(console: str) -> list[str]:
    return [line for line in console.splitlines() if line.startswith("line ")]


def wait_for_end(rig: Rig, task: str) -> None:
    """Wait until the job's shim has noted its end."""
    record = rig.home / "agents/n1/jobs" / task / "record"
    wait_until(lambda: b'"ended"' in record.read_bytes(), "the job's end")


def expected(count: int) -> list[str]:
    return [f"line {i}" for i in range(count)]


def test_a_job_outlives_its_killed_agent_and_is_taken_up_again(rig: Rig) -> None:
    agent = rig.start_agent()
    task = rig.enqueue(COUNT.format(n=40, pause=0.2))
    rig.wait_for_line(task, "line 3\n")
    agent.kill()
    again = rig.start_agent()
    assert rig.end_of(task) == ("completed", "completed")
    assert lines(rig.console(task)) == expected(40)
    assert "attached again" in again.said()


def test_a_job_that_ends_without_its_agent_is_settled_truthfully(rig: Rig) -> None:
    agent = rig.start_agent(SLOTS="2")
    good = rig.enqueue(COUNT.format(n=5, pause=0.3))
    bad = rig.enqueue(COUNT.format(n=5, pause=0.3) + "raise SystemExit(7)")
    for task in (good, bad):
        rig.wait_for_line(task, "line 0\n")
    agent.kill()
    for task in (good, bad):
        wait_for_end(rig, task)
        assert rig.task(task)["status"] == "in_progress"
    rig.start_agent(SLOTS="2")
    assert rig.end_of(good) == ("completed", "completed")
    assert rig.end_of(bad) == ("failed", "system-exit")
    for task in (good, bad):
        assert lines(rig.console(task)) == expected(5)


def test_a_job_whose_processes_vanished_is_never_completed(rig: Rig) -> None:
    agent = rig.start_agent()
    task = rig.enqueue(COUNT.format(n=1000, pause=0.2))
    rig.wait_for_line(task, "line 1\n")
    agent.kill()
    folder = next(Journal(rig.home / "agents/n1").folders())
    process = folder.read().process
    assert process is not None
    shim = psutil.Process(process.pid)
    family = [*shim.children(recursive=True), shim]
    shim.kill()
    for member in family:
        if member.is_running():
            member.kill()
    rig.start_agent()
    assert rig.end_of(task) == ("failed", "agent-lost")
    assert rig.task(task)["configuration"]["waylab_verdict"]["value"]


def test_a_restarted_server_loses_no_line(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue(COUNT.format(n=60, pause=0.1))
    rig.wait_for_line(task, "line 5\n")
    rig.server.kill()
    rig.server.restart()
    assert rig.end_of(task, 90) == ("completed", "completed")
    assert lines(rig.console(task)) == expected(60)


def test_a_job_ends_while_the_server_is_away(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue(COUNT.format(n=10, pause=0.2))
    rig.wait_for_line(task, "line 1\n")
    rig.server.kill()
    wait_for_end(rig, task)
    rig.server.restart()
    assert rig.end_of(task) == ("completed", "completed")
    assert lines(rig.console(task)) == expected(10)


def test_sigterm_leaves_jobs_and_sigint_aborts_them(rig: Rig) -> None:
    agent = rig.start_agent()
    task = rig.enqueue(COUNT.format(n=1000, pause=0.1))
    rig.wait_for_line(task, "line 1\n")
    assert agent.end(signal.SIGTERM) == 0
    assert rig.task(task)["status"] == "in_progress"
    again = rig.start_agent()
    wait_until(lambda: "attached again" in again.said(), "the attachment")
    assert again.end(signal.SIGINT) == 0
    assert rig.end_of(task) == ("stopped", "aborted")


def write_claim(rig: Rig, task: str, phase: Phase, slot: str = "cpu0") -> None:
    """Leave the journal as an agent does that dies in the middle of a claim."""
    grant = Grant("g", task, rig.queue, slot)
    entry = JobEntry(
        task_id=task,
        queue=rig.queue,
        queue_id=rig.queue_id(rig.queue),
        grant=GrantEntry(id=grant.id, slot=grant.slot),
        claim="0123456789abcdef",
        phase=phase,
    )
    Journal(rig.home / "agents" / "n1").create(entry)


def remove(rig: Rig, task: str) -> None:
    """Take a task as the agent does: what others took it does not see."""
    body = {"queue": rig.queue_id(rig.queue), "task": task}
    assert rig.client(*rig.agent).call("queues.remove_task", body)["removed"] == 1


def test_a_crash_before_the_claim_leaves_the_task_in_its_queue(rig: Rig) -> None:
    rig.stop_agents()
    runs = rig.folder / "runs"
    task = rig.enqueue(f"open({str(runs)!r}, 'a').write('x')")
    write_claim(rig, task, Phase.CLAIMING)
    rig.start_agent()
    assert rig.end_of(task) == ("completed", "completed")
    assert runs.read_text() == "x"


def test_a_crash_after_the_claim_starts_the_task(rig: Rig) -> None:
    rig.stop_agents()
    runs = rig.folder / "runs"
    task = rig.enqueue(f"open({str(runs)!r}, 'a').write('x')")
    remove(rig, task)
    write_claim(rig, task, Phase.CLAIMING)
    rig.start_agent()
    assert rig.end_of(task) == ("completed", "completed")
    assert runs.read_text() == "x"


def test_a_crash_after_the_start_mark_starts_the_task(rig: Rig) -> None:
    rig.stop_agents()
    task = rig.enqueue("print('ran')")
    remove(rig, task)
    write_claim(rig, task, Phase.CLAIMED)
    body = {"task": task, "status_reason": "Claimed by n1:cpu0 (0123456789abcdef)"}
    agent = rig.client(*rig.agent)
    agent.call("tasks.started", body, execution="0123456789abcdef")
    rig.start_agent()
    assert rig.end_of(task) == ("completed", "completed")


def test_a_task_that_another_agent_started_is_left_to_it(rig: Rig) -> None:
    rig.stop_agents()
    task = rig.enqueue("print('ran')")
    remove(rig, task)
    write_claim(rig, task, Phase.CLAIMING)
    reason = "Claimed by n2:cpu0 (fedcba9876543210)"
    rig.system.call("tasks.started", {"task": task, "status_reason": reason})
    agent = rig.start_agent()
    wait_until(lambda: "not ours" in agent.said(), "the decision")
    assert rig.task(task)["status"] == "in_progress"
    assert "ran" not in rig.console(task)


def test_a_claim_without_a_slot_goes_back_to_the_head_of_its_queue(rig: Rig) -> None:
    agent = rig.start_agent()
    running = rig.enqueue(COUNT.format(n=1000, pause=0.1))
    rig.wait_for_line(running, "line 1\n")
    agent.kill()
    first, second = rig.enqueue("print(1)"), rig.enqueue("print(2)")
    remove(rig, first)
    write_claim(rig, first, Phase.CLAIMED)
    again = rig.start_agent()
    wait_until(lambda: "given back" in again.said(), "the undo")
    body = {"queue": rig.queue_id(rig.queue)}
    entries = rig.user.call("queues.get_by_id", body)["queue"]["entries"]
    assert [entry["task"] for entry in entries] == [first, second]
    rig.user.call("tasks.stop", {"task": running})
    for task in (running, first, second):
        rig.end_of(task)
    assert rig.task(first)["status"] == "completed"


def test_a_queue_that_is_made_anew_is_served(rig: Rig) -> None:
    rig.start_agent()
    assert rig.end_of(rig.enqueue("print(1)")) == ("completed", "completed")
    rig.system.call("queues.delete", {"queue": rig.queue_id(rig.queue), "force": True})
    rig.system.call("queues.create", {"name": rig.queue})
    assert rig.end_of(rig.enqueue("print(2)")) == ("completed", "completed")
