"""Notebooks that end otherwise: each with its true reason, none without its output."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.waylab_clearml.notebooks import nbformat, notebook_of
from tests.waylab_runner.rig import Job, Rig, wait_until

from waylab_clearml.runs import RunState

pytestmark = pytest.mark.clearml
Submit = Callable[..., Job]
SLEEP = "import time\nprint('sleeping', flush=True)\ntime.sleep(600)"
STUBBORN = (
    "import time\nprint('sleeping', flush=True)\n"
    "while True:\n  try: time.sleep(600)\n  except KeyboardInterrupt: print('no')"
)


def ended(job: Job) -> tuple[RunState, str]:
    run = job.run()
    return run.state, run.reason


def test_a_failing_cell_is_named_and_stops_the_rest(submit: Submit) -> None:
    job = submit("print('ok')", "print('so far')\n1 / 0", "print('never')").start()
    assert job.wait() == 1
    assert ended(job) == (RunState.FAILED, "cell-error")
    run = job.run()
    assert run.message == "Cell 2 failed: ZeroDivisionError: division by zero"
    verdict = run.verdict
    assert verdict is not None
    assert (verdict.cell, verdict.number) == (1, 2)
    assert verdict.ename == "ZeroDivisionError"
    assert verdict.cell_id == job.notebook()["cells"][1]["id"]
    assert "ZeroDivisionError" in "".join(verdict.traceback)
    assert "\x1b" not in "".join(verdict.traceback)
    assert job.texts() == ["ok\n", "so far\n", ""]
    assert run.progress is not None
    assert run.progress.percent == 33


def test_the_number_told_counts_the_code_cells_that_run(
    rig: Rig, tmp_path: Path
) -> None:
    notebook = notebook_of("print(alpha)", " \n", "1 / 0", parameters="alpha = 1")
    for place in (0, 2):
        notebook.cells.insert(place, nbformat.v4.new_markdown_cell("# Words"))
    path = tmp_path / "mixed.ipynb"
    nbformat.write(notebook, path)
    job = rig.submit(path, parameters={"alpha": 5}).start()
    assert job.wait() == 1
    verdict = job.run().verdict
    assert verdict is not None
    # Words, the parameters, those injected, words, the print, nothing, the failure.
    assert (verdict.cell, verdict.number) == (6, 4)
    assert verdict.message == "Cell 4 failed: ZeroDivisionError: division by zero"
    assert "Cell 4 of 4" in job.log
    failed = job.notebook()["cells"][verdict.cell]
    assert (failed["id"], failed["execution_count"]) == (verdict.cell_id, 4)


def test_a_cell_that_may_fail_does_not_end_the_run(
    submit: Submit, rig: Rig, tmp_path: Path
) -> None:
    notebook = notebook_of("1 / 0", "print('after')")
    notebook.cells[0].metadata["tags"] = ["raises-exception"]
    path = tmp_path / "allowed.ipynb"
    nbformat.write(notebook, path)
    job = rig.submit(path).start()
    assert job.wait() == 0
    assert job.texts()[1] == "after\n"


@pytest.mark.parametrize(
    ("source", "state", "told"),
    [
        ("import sys; sys.exit(0)", RunState.COMPLETED, "sys.exit(0)"),
        ("import sys; sys.exit()", RunState.COMPLETED, "sys.exit()"),
        ("import sys; sys.exit(3)", RunState.FAILED, "sys.exit(3)"),
        ("import sys; sys.exit('bad')", RunState.FAILED, "sys.exit(bad)"),
        ("exit()", RunState.COMPLETED, "exit()"),
    ],
)
def test_a_notebook_that_ends_itself_says_so(
    submit: Submit, source: str, state: RunState, told: str
) -> None:
    job = submit("print('ok')", source, "print('never')").start()
    job.wait()
    assert ended(job) == (state, "system-exit")
    assert told in job.run().message
    assert "1 cell was not run" in job.run().message
    assert job.texts()[0] == "ok\n"
    assert job.texts()[2] == ""


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os._exit(0)", "exit code 0"),
    ],
)
def test_a_dead_kernel_is_a_failure_with_the_cause(
    submit: Submit, source: str, told: str
) -> None:
    job = submit("print('ok')", f"print('so far', flush=True)\n{source}").start()
    assert job.wait() == 1
    assert ended(job) == (RunState.FAILED, "kernel-died")
    run = job.run()
    assert f"The kernel died in cell 2: {'it ended with ' * ('exit' in told)}" in (
        run.message
    )
    assert told in run.message
    assert job.texts()[0] == "ok\n"


@pytest.mark.parametrize("source", [SLEEP, STUBBORN])
def test_the_time_limit_ends_the_run_and_keeps_its_output(
    submit: Submit, source: str
) -> None:
    # The kernel's start is part of it.
    job = submit("print('ok')", source, time_limit_seconds=10).start()
    assert job.wait() == 1
    assert ended(job) == (RunState.FAILED, "timeout")
    assert job.run().message == "The time limit of 10 s was reached in cell 2."
    assert job.texts()[0] == "ok\n"
    assert job.texts()[1].startswith("sleeping\n")


@pytest.mark.parametrize("source", [SLEEP, STUBBORN])
def test_an_abort_stops_within_seconds_and_keeps_the_output(
    submit: Submit, source: str
) -> None:
    job = submit("print('ok')", source, "print('never')").start()
    job.wait_for_line("sleeping")
    job.signal(signal.SIGTERM)
    assert job.wait(20) == 143
    assert ended(job) == (RunState.ABORTED, "aborted")
    assert job.run().message == "Aborted in cell 2."
    assert job.texts()[0] == "ok\n"
    assert job.texts()[2] == ""


def test_an_abort_before_the_first_cell_is_an_abort(submit: Submit) -> None:
    job = submit("print('never')").start()
    wait_until((job.folder / "job" / "work").exists, "the runner's start")
    job.signal(signal.SIGTERM)
    assert job.wait(30) == 143
    assert ended(job) == (RunState.ABORTED, "aborted")


def test_the_kernel_ends_with_its_runner(submit: Submit) -> None:
    job = submit(
        "import os, time\nprint('kernel', os.getpid(), flush=True)\ntime.sleep(600)"
    ).start()
    job.wait_for_line("kernel ")
    pid = int(job.log.split("kernel ")[1].split()[0])
    job.signal(signal.SIGKILL)
    job.wait()
    wait_until(lambda: not _lives(pid), "the kernel's end", seconds=20)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_missing_kernel_is_named_with_those_that_exist(submit: Submit) -> None:
    job = submit("1", kernel={"name": "nope", "display_name": "Nope"}).start()
    assert job.wait() == 1
    assert ended(job) == (RunState.FAILED, "kernel-missing")
    assert "no kernel 'nope'" in job.run().message
    assert "python3" in job.run().message
    assert job.texts() == [""]


def edit(rig: Rig, job: Job, name: str, value: str, section: str = "Notebook") -> None:
    item = {"section": section, "name": name, "value": value}
    body = {"task": job.task_id, "force": True, "hyperparams": [item]}
    rig.user.call("tasks.edit_hyper_params", body)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("alpha", "much", "alpha is 'much', but takes a number"),
        ("beta", "1", "'beta' is not a parameter of this notebook; it has: alpha"),
        ("x\nimport os; os._exit(3)", "1", "is not a plain Python name"),
        ("import", "1", "is not a plain Python name"),
    ],
)
def test_a_parameter_that_will_not_do_runs_nothing(
    submit: Submit, rig: Rig, name: str, value: str, told: str
) -> None:
    job = submit("print('never')", declared="alpha: float = 1")
    edit(rig, job, name, value)
    assert job.start().wait() == 1
    assert ended(job) == (RunState.FAILED, "parameter-invalid")
    assert told in job.run().message
    assert "never" not in job.log


@pytest.mark.parametrize("value", ["'; import os; os._exit(3) #", '"""', "\\", "\n"])
def test_a_hostile_value_stays_a_value(submit: Submit, rig: Rig, value: str) -> None:
    job = submit("print(repr(text))", declared="text = 'x'")
    edit(rig, job, "text", value)
    assert job.start().wait() == 0
    assert job.texts()[-1] == f"{value!r}\n"


def test_a_time_limit_that_is_none_is_refused(submit: Submit, rig: Rig) -> None:
    job = submit("print('never')")
    edit(rig, job, "time_limit_seconds", "soon", section="Waylab")
    assert job.start().wait() == 1
    assert ended(job) == (RunState.FAILED, "parameter-invalid")


def replace_bundle(rig: Rig, job: Job, **changes: Any) -> None:
    task = rig.user.call("tasks.get_by_id", {"task": job.task_id})["task"]
    (artifact,) = task["execution"]["artifacts"]
    body = {"task": job.task_id, "force": True, "artifacts": [{**artifact, **changes}]}
    rig.user.call("tasks.add_or_update_artifacts", body)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hash": "0" * 64}, "hash is"),
        ({"uri": "http://elsewhere.example/bundle.zip"}, "cannot be fetched"),
        ({"mode": "output"}, "no input artifact `bundle`"),
    ],
)
def test_a_bundle_that_is_not_the_submitted_one_runs_nothing(
    submit: Submit, rig: Rig, changes: dict[str, Any], told: str
) -> None:
    job = submit("print('never')")
    if "mode" in changes:
        body = {
            "task": job.task_id,
            "force": True,
            "artifacts": [{"key": "bundle", "mode": "input"}],
        }
        rig.user.call("tasks.delete_artifacts", body)
    else:
        replace_bundle(rig, job, **changes)
    assert job.start().wait() == 1
    assert ended(job) == (RunState.FAILED, "bundle-invalid")
    assert told in job.run().message


def test_a_bundle_with_a_broken_notebook_is_told_apart(
    submit: Submit, rig: Rig, tmp_path: Path
) -> None:
    job = submit("print('never')")
    content = b'{"nbformat": 4, "cells": "none"}'
    path = tmp_path / "broken.zip"
    manifest = {
        "format": 1,
        "notebook": "n.ipynb",
        "files": [
            {
                "path": "n.ipynb",
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("files/n.ipynb", content)
    (artifact,) = job.run().artifacts
    prefix = rig.user.credentials.files_url
    target = artifact.uri.removeprefix(f"{prefix}/").replace("%7B", "{")
    target = target.replace("%7D", "}")
    uri = rig.user.upload(target, path.read_bytes(), "application/zip")
    replace_bundle(
        rig, job, uri=uri, hash=hashlib.sha256(path.read_bytes()).hexdigest()
    )
    assert job.start().wait() == 1
    assert ended(job) == (RunState.FAILED, "notebook-invalid")
