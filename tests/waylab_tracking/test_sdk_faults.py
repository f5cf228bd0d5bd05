"""What the official SDK does around crashes, aborts and continuations."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.served import OWN_SERVER
from tests.waylab_tracking.conformance import violations
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.sdk import Sdk

from waylab_tracking.testing import Server, running_server

pytestmark = pytest.mark.clearml
SitDown = Callable[[str], Sdk]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.timeout(200)
@OWN_SERVER
def test_a_crash_of_the_server_loses_no_line_and_no_point(tmp_path: Path) -> None:
    with running_server(tmp_path / "state", record=True) as server:
        keys = server.create_user("ann")
        home = tmp_path / "home"
        home.mkdir()
        started = home / "started"

        def crash() -> None:
            wait_for(started.exists)
            server.kill()
            # What the script reports meanwhile waits in the SDK.
            wait_for((home / "halfway").exists)
            server.start()

        thread = threading.Thread(target=crash)
        thread.start()
        result = Sdk(server, home, keys).run(
            """
            import pathlib, time
            from clearml import Task
            task = Task.init("faults", "crash", auto_connect_frameworks=False)
            log = task.get_logger()
            for number in range(60):
                log.report_scalar("loss", "train", value=number, iteration=number)
                print("line", number, flush=True)
                if number == 20:
                    task.flush(wait_for_uploads=True)
                    pathlib.Path("started").touch()
                if number == 40:
                    pathlib.Path("halfway").touch()
                time.sleep(0.05)
            task.close()
            result = task.id
            """,
            seconds=150,
        )
        thread.join()

        door = Door(server, keys)
        curves = door.call("events.scalar_metrics_iter_histogram", task=result)
        log = door.call("events.get_task_log", task=result, order="asc")["events"]
        lines = "\n".join(event["msg"] for event in log).splitlines()
        status = door.call("tasks.get_by_id", task=result)["task"]["status"]
        door.close()

        assert curves["loss"]["train"]["x"] == list(range(60))
        assert [one for one in lines if one.startswith("line ")] == [
            f"line {number}" for number in range(60)
        ]
        assert status == "completed"
        assert violations(server.recorded()) == []


@pytest.mark.timeout(120)
def test_an_abort_reaches_a_running_script(
    sdk: SitDown, ann: Door, tmp_path: Path
) -> None:
    ann_sdk = sdk("ann")
    script = ann_sdk.home / "loop.py"
    script.write_text(
        "import time\n"
        "from clearml import Task\n"
        "task = Task.init('faults', 'endless', auto_connect_frameworks=False)\n"
        "open('task', 'w').write(task.id)\n"
        "while True: time.sleep(0.1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=ann_sdk.environment(),
        cwd=ann_sdk.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        file = ann_sdk.home / "task"
        wait_for(lambda: file.exists() and bool(file.read_text()))
        task = file.read_text()

        ann.call("tasks.stop", task=task)
        ended = process.wait(60)
    finally:
        process.kill()
        process.wait()

    assert ended != 0
    assert ann.call("tasks.get_by_id", task=task)["task"]["status"] == "stopped"


def test_a_task_is_continued_and_reset(sdk: SitDown) -> None:
    result = sdk("cas").run(
        """
        from clearml import Task
        def run(**how):
            task = Task.init("faults", "again", auto_connect_frameworks=False, **how)
            for number in range(3):
                task.get_logger().report_scalar("a", "b", value=1, iteration=number)
            task.close()
            return task.id
        first = run()
        second = run(continue_last_task=first)
        last = Task.get_task(task_id=first).get_last_iteration()
        third = run(reuse_last_task_id=first)
        fresh = Task.get_task(task_id=third).get_last_iteration()
        fourth = run(reuse_last_task_id=False)
        found = Task.get_task(project_name="faults", task_name="again")
        result = [first == second, last, first == third, fresh, fourth == third,
                  found.id == fourth]
        """
    )

    assert result == [True, 5, True, 2, False, True]


def test_the_command_line_makes_and_enqueues_a_task(
    server: Server, sdk: SitDown, ann: Door
) -> None:
    cli = sdk("cli")
    script = cli.home / "train.py"
    script.write_text("print('trained')\n")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("clearml-task")),),
            *("--project", "cli", "--name", "from the shell", "--script", "train.py"),
            *("--queue", "default", "--packages", "clearml", "--skip-task-init"),
        ],
        env=cli.environment(),
        cwd=cli.home,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = ann.call("tasks.get_all", name="^from the shell$")["tasks"]
    assert len(found) == 1, done.stdout + done.stderr
    [task] = found
    assert task["status"] == "queued"
    assert task["script"]["entry_point"] == "train.py"
    assert "trained" in task["script"]["diff"]
    server.call("tasks.stopped", {"task": task["id"], "force": True})
