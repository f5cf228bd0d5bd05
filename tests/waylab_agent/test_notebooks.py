"""Notebooks: submitted, run by the runner, watched by the agent."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.rig import Rig

from waylab_agent.journal import Journal
from waylab_clearml import runs
from waylab_clearml.submit import Submission, submit


def submit_cells(rig: Rig, *cells: str) -> str:
    """Submit a notebook of code cells to the test's queue; the task's id."""
    path = rig.folder / "nb.ipynb"
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "source": cell,
            }
            for number, cell in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook))
    return submit(rig.user, Submission(notebook=path, queue=rig.queue)).task_id


def artifacts(rig: Rig, task: str) -> set[str]:
    items = rig.task(task)["execution"].get("artifacts") or []
    return {item["key"] for item in items}


def wait_for_file(path: Path) -> None:
    wait_until(path.exists, f"the cell that writes {path}", 60)


def test_a_notebook_runs_and_its_verdict_is_the_runner_s(rig: Rig) -> None:
    rig.start_agent()
    task = submit_cells(rig, "print('first')", "1 + 1")
    assert rig.end_of(task) == ("completed", "completed")
    assert {"bundle", "notebook", "html"} <= artifacts(rig, task)
    jobs = rig.home / "agents/n1/jobs"
    wait_until(lambda: not list(jobs.iterdir()), "the job's last trace")


def test_a_failing_cell_is_told_by_its_number(rig: Rig) -> None:
    rig.start_agent()
    task = submit_cells(rig, "x = 1", "1 / 0", "print('never')")
    assert rig.end_of(task) == ("failed", "cell-error")


def test_an_aborted_notebook_keeps_what_it_has(rig: Rig) -> None:
    rig.start_agent(GRACE_SECONDS="20")
    marker = rig.folder / "marker"
    task = submit_cells(
        rig,
        "print('kept')",
        f"import pathlib, time; pathlib.Path({str(marker)!r}).touch(); time.sleep(600)",
    )
    wait_for_file(marker)
    rig.user.call("tasks.stop", {"task": task})
    assert rig.end_of(task, 20) == ("stopped", "aborted")
    assert "notebook" in artifacts(rig, task)


def test_a_notebook_outlives_its_agent(rig: Rig) -> None:
    agent = rig.start_agent()
    marker, go = rig.folder / "marker", rig.folder / "go"
    task = submit_cells(
        rig,
        f"import pathlib, time; pathlib.Path({str(marker)!r}).touch()\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)",
    )
    wait_for_file(marker)
    agent.kill()
    rig.start_agent()
    go.touch()
    assert rig.end_of(task) == ("completed", "completed")


def test_a_notebook_loses_no_line_and_no_scalar_to_a_restart_of_the_server(
    rig: Rig,
) -> None:
    rig.start_agent()
    marker, go = rig.folder / "marker", rig.folder / "go"
    task = submit_cells(
        rig,
        "import pathlib, time\nfrom clearml import Task\n"
        "log = Task.init(project_name='p', task_name='n').get_logger()\n"
        "def report(first, last):\n"
        "    for i in range(first, last):\n"
        "        print(f'line {i};', flush=True)\n"
        "        log.report_scalar('loss', 'train', i, i)\n"
        "        time.sleep(0.05)",
        f"report(0, 20); pathlib.Path({str(marker)!r}).touch()",
        f"report(20, 40)\nwhile not pathlib.Path({str(go)!r}).exists(): report(0, 0)",
        "report(40, 60)",
    )
    wait_for_file(marker)
    rig.server.kill()
    rig.server.restart()
    go.touch()
    assert rig.end_of(task, 120) == ("completed", "completed")
    console = rig.console(task)
    assert [console.count(f"line {i};") for i in range(60)] == [1] * 60
    curves = {(one.metric, one.variant): one for one in runs.scalars(rig.user, task)}
    assert curves["loss", "train"].y == tuple(map(float, range(60)))


def test_a_runner_that_is_killed_has_lost_its_run_and_its_kernel_ends(
    rig: Rig,
) -> None:
    rig.start_agent()
    marker = rig.folder / "marker"
    task = submit_cells(
        rig,
        "import os, pathlib, time\n"
        f"pathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)",
    )
    wait_for_file(marker)
    kernel = wait_until(marker.read_text, "the kernel's number")
    (folder,) = Journal(rig.home / "agents/n1").folders()
    process = folder.read().process
    assert process is not None
    (runner,) = psutil.Process(process.pid).children()
    runner.kill()
    assert rig.end_of(task) == ("failed", "agent-lost")
    assert "SIGKILL" in rig.task(task)["status_message"]
    assert not psutil.pid_exists(int(kernel))
