"""Jobs through a real server and the official agent."""

from __future__ import annotations

import ast
import signal
from pathlib import Path

from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.rig import Rig

from waylab_agent import processes

WAIT = "import time; print('up', flush=True); time.sleep(600)"


def test_a_script_runs_to_its_end_with_its_log(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue("for i in range(3): print('line', i)")
    assert rig.end_of(task) == ("completed", "completed")
    console = rig.console(task)
    assert "line 0\nline 1\nline 2\n" in console
    assert "Current configuration" not in console
    assert not list((rig.home / "agents/n1/jobs").iterdir())


def test_a_script_that_fails_has_failed_with_its_traceback(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue("print('before'); raise RuntimeError('boom')")
    assert rig.end_of(task) == ("failed", "system-exit")
    assert "RuntimeError: boom" in rig.console(task)
    assert "exit status 1" in rig.task(task)["status_message"]


def test_a_task_that_clearml_agent_cannot_start_says_so(rig: Rig) -> None:
    rig.start_agent()
    task = rig.create("print(1)")
    script = {
        **rig.task(task)["script"],
        "repository": "file:///nowhere/at/all.git",
        "diff": "",
    }
    rig.user.call("tasks.edit", {"task": task, "script": script})
    rig.user.call("tasks.enqueue", {"task": task, "queue": rig.queue_id(rig.queue)})
    status, _ = rig.end_of(task)
    assert status == "failed"


def test_a_job_sees_its_owner_s_token_and_no_secret_of_the_agent(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue(
        "import os; print('ENV', sorted(os.environ.items()))\n"
        "from clearml import Task\n"
        "task = Task.current_task() or Task.init()\n"
        "print('USER', task.session.get_decoded_token(task.session.token)['identity'])"
    )
    assert rig.end_of(task)[0] == "completed"
    console = rig.console(task)
    (line,) = (part for part in console.splitlines() if part.startswith("ENV "))
    environ = dict(ast.literal_eval(line.removeprefix("ENV ")))
    assert "hush" not in console
    assert not any(name.startswith("WAYLAB_AGENT_") for name in environ)
    assert "CLEARML_API_SECRET_KEY" not in environ
    assert environ["CLEARML_WORKER_ID"] == "n1:cpu0"
    assert environ["CUDA_VISIBLE_DEVICES"] == ""
    assert environ["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert environ["HOME"] == str(rig.home / "homes" / "ada")
    assert "'user_name': 'ada'" in console


def test_an_abort_ends_a_job_within_seconds(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue(WAIT)
    rig.wait_for_line(task, "up")
    rig.user.call("tasks.stop", {"task": task})
    assert rig.end_of(task, seconds=8) == ("stopped", "aborted")


def test_an_abort_ends_what_ignores_it_and_its_children(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue(
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = 'import signal; signal.signal(15, signal.SIG_IGN); signal.pause()'\n"
        "p = subprocess.Popen([sys.executable, '-c', child], start_new_session=True)\n"
        "print('child', p.pid, flush=True)\n"
        "time.sleep(600)"
    )
    rig.wait_for_line(task, "child")
    pid = int(rig.console(task).partition("\nchild ")[2].split()[0])
    rig.user.call("tasks.stop", {"task": task})
    assert rig.end_of(task, seconds=12) == ("stopped", "aborted")
    assert processes.identify(pid) is None


def test_a_deleted_task_takes_its_job_along(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue(WAIT)
    rig.wait_for_line(task, "up")
    rig.user.call("tasks.delete", {"task": task, "force": True})
    jobs = rig.home / "agents/n1/jobs"
    wait_until(lambda: not list(jobs.iterdir()), "the job's end")
    after = rig.enqueue("print('next')")
    assert rig.end_of(after)[0] == "completed"


def test_queues_are_served_in_their_order_and_entries_in_theirs(rig: Rig) -> None:
    order = rig.folder / "order"
    code = f"open({str(order)!r}, 'a').write('%s ')"
    rig.stop_agents()
    urgent = f"{rig.queue}-urgent"
    for name in ("d1", "d2"):
        rig.enqueue(code % name)
    for name in ("u1", "u2"):
        rig.enqueue(code % name, urgent)
    rig.start_agent(QUEUES=f"{urgent},{rig.queue}")
    wait_until(
        lambda: order.exists() and len(order.read_text().split()) == 4, rig.logs, 90
    )
    assert order.read_text().split() == ["u1", "u2", "d1", "d2"]


def test_slots_are_workers_that_report_their_task(rig: Rig) -> None:
    rig.start_agent(SLOTS="1", SERVICES_SLOTS="1")
    task = rig.enqueue(WAIT)
    rig.wait_for_line(task, "up")

    def workers() -> dict[str, str | None]:
        answer = rig.user.call("workers.get_all", {})["workers"]
        return {w["id"]: (w.get("task") or {}).get("id") for w in answer}

    wait_until(lambda: workers() == {"n1:cpu0": task, "n1:services0": None}, "workers")
    rig.agents[0].end(signal.SIGINT)
    assert rig.end_of(task) == ("stopped", "aborted")
    assert workers() == {}


def test_two_agents_never_run_a_task_twice(rig: Rig) -> None:
    rig.stop_agents()
    order = rig.folder / "order"
    tasks = [rig.enqueue(f"open({str(order)!r}, 'a').write('{i} ')") for i in range(6)]
    rig.start_agent("n1", SLOTS="2")
    rig.start_agent("n2", SLOTS="2")
    for task in tasks:
        assert rig.end_of(task, 120)[0] == "completed"
    assert sorted(order.read_text().split()) == list("012345")


def test_a_second_agent_for_the_same_state_ends_with_one_sentence(rig: Rig) -> None:
    first = rig.start_agent()
    wait_until(lambda: "Serving" in first.log.read_text(), "the first agent")
    second = rig.start_agent()
    assert second.process.wait(20) == 1
    assert "runs already" in second.said().splitlines()[-1]
    assert first.process.poll() is None


def test_the_job_s_folder_is_cleared_away(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue("import os; print('DIR', os.environ['WAYLAB_JOB_DIR'])")
    rig.end_of(task)
    work = Path(rig.console(task).partition("DIR ")[2].split()[0])
    assert work.is_relative_to(rig.home / "homes" / "ada")
    assert not work.exists()


def test_a_job_s_token_is_renewed_by_itself_without_keys(rig: Rig) -> None:
    rig.start_agent()
    task = rig.enqueue(
        "import os\n"
        "from clearml import Task\n"
        "session = Task.init().session\n"
        "assert not session.access_key and not session.secret_key\n"
        "for _ in range(3): session.refresh_token()\n"
        "assert os.environ['CLEARML_AUTH_TOKEN'] == session.raw_token\n"
        "print('renewed', session.get_token_valid_period_sec() > 3000)"
    )
    assert rig.end_of(task) == ("completed", "completed")
    assert "renewed True" in rig.console(task)
