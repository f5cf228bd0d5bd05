"""`waylab run --wait`: the exit status is the run's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waylab_clearml.notebooks import write_notebook
from tests.waylab_runner.rig import Job, Rig, wait_until

from waylab_clearml.environment import sdk_environment
from waylab_clearml.runs import RunQuery, RunState, list_runs

MAIN = "from waylab_clearml.cli import main; main()"


def waiting(
    rig: Rig, tmp_path: Path, source: str, *more: str
) -> tuple[subprocess.Popen[str], Job]:
    name = os.urandom(4).hex()
    path = write_notebook(tmp_path / f"{name}.ipynb", source)
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "run", str(path), "--wait", *more],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            **sdk_environment(rig.user.credentials),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    query = RunQuery(text=name, state=RunState.QUEUED)
    run = wait_until(lambda: list_runs(rig.user, query).runs, "the queued run")[0]
    return process, rig.claim(run.id)


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ("print('fine')", 0, "completed: All cells ran through (1)."),
        (
            "print('so far')\nraise ValueError('too odd')",
            1,
            "failed (cell-error): Cell 1 failed: ValueError: too odd",
        ),
    ],
)
def test_the_exit_status_and_the_reason_are_the_runs(
    rig: Rig, tmp_path: Path, source: str, code: int, told: str
) -> None:
    process, job = waiting(rig, tmp_path, source)
    job.start().wait()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert told in errors


def test_an_aborted_run_has_a_status_of_its_own(rig: Rig, tmp_path: Path) -> None:
    process, job = waiting(rig, tmp_path, "import time; time.sleep(600)", "--json")
    job.start().wait_for_line("Cell 1 of 1")
    job.signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert json.loads(out)["reason"] == "aborted"


def test_who_stops_waiting_leaves_the_run_alone(rig: Rig, tmp_path: Path) -> None:
    process, job = waiting(rig, tmp_path, "print('fine')")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"waylab runs abort {job.task_id}" in errors
    assert job.start().wait() == 0
