"""The official SDK inside of a notebook's kernel: one task for everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.served import EACH
from tests.waylab_runner.rig import Job, wait_until

from waylab_clearml import runs
from waylab_clearml.runs import RunState

pytestmark = [pytest.mark.clearml, EACH]


def test_the_sdk_in_the_notebook_attaches_to_the_same_task(
    submit: Callable[..., Job],
) -> None:
    job = submit(
        "from clearml import Task\n"
        "task = Task.init(project_name='other', task_name='other name')\n"
        "print('task', task.id, task.name)",
        "for i in range(3): task.get_logger().report_scalar('loss', 'train', i, i)\n"
        "task.get_logger().report_single_value('r2', 0.9)",
        "print('current', Task.current_task().id)",
        name="with sdk.ipynb",
    )
    before = job.user.call("tasks.get_by_id", {"task": job.task_id})["task"]
    assert job.start().wait() == 0
    assert f"task {job.task_id} with sdk" in job.texts()[0]
    assert f"current {job.task_id}" in job.texts()[2]
    (series,) = runs.scalars(job.user, job.task_id)
    assert series.y == (0.0, 1.0, 2.0)
    assert runs.single_values(job.user, job.task_id) == {"r2": 0.9}
    after = job.user.call("tasks.get_by_id", {"task": job.task_id})["task"]
    assert after["script"] == before["script"]
    assert (after["name"], after["project"]) == (before["name"], before["project"])
    run = job.run()
    assert (run.state, run.reason) == (RunState.COMPLETED, "completed")


def test_the_current_task_is_the_job_without_any_init(
    submit: Callable[..., Job],
) -> None:
    job = submit(
        "from clearml import Task\n"
        "task = Task.current_task()\n"
        "print('task', task.id)\n"
        "task.get_logger().report_scalar('loss', 'train', 0.25, 1)",
        name="current.ipynb",
    )
    assert job.start().wait() == 0
    assert f"task {job.task_id}" in job.texts()[0]
    assert runs.scalars(job.user, job.task_id)[0].y == (0.25,)
    assert job.run().state is RunState.COMPLETED


def test_what_the_sdk_notes_on_the_task_outlives_the_report_of_progress(
    submit: Callable[..., Job], tmp_path: Path
) -> None:
    """The kernel's SDK and the runner write to one task, each what is its own."""
    seen = tmp_path / "seen"
    note = (
        "from clearml import Task\ntask = Task.current_task()\n"
        "for i in range({0}, {0} + 20):"
        " task._set_runtime_properties({{f'k{{i}}': str(i)}})"
    )
    wait = f"import os, time\nwhile not os.path.exists({str(seen)!r}): time.sleep(0.05)"
    job = submit(note.format(0), note.format(20), wait, note.format(40)).start()
    try:
        wait_until(lambda: (p := job.run().progress) and p.percent == 50, "progress")
    finally:
        seen.touch()
    assert job.wait() == 0
    task = job.user.call("tasks.get_by_id", {"task": job.task_id})["task"]
    assert {f"k{i}": str(i) for i in range(60)}.items() <= task["runtime"].items()
    progress = job.run().progress
    assert progress is not None
    assert progress.percent == 100


def test_metrics_reported_just_before_a_failure_are_not_lost(
    submit: Callable[..., Job],
) -> None:
    job = submit(
        "from clearml import Task\n"
        "log = Task.init(project_name='x', task_name='x').get_logger()",
        "log.report_scalar('loss', 'train', 0.5, 1)\n1 / 0",
        name="failing.ipynb",
    ).start()
    assert job.wait() == 1
    assert runs.scalars(job.user, job.task_id)[0].y == (0.5,)
    assert job.run().reason == "cell-error"
