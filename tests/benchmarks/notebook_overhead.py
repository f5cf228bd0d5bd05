"""What the runner costs above a bare nbclient, and what papermill's default costs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from tests.benchmarks import bare_nbclient
from tests.benchmarks.measure import Pair, Report, Setting, split_table
from tests.waylab_clearml.notebooks import write_notebook
from tests.waylab_runner.rig import Rig

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_tracking.testing import Server, running_server

GOAL = 1.15
BEGIN = "import os, time, base64\n_t0 = time.perf_counter()"
END = "print('CELLS', time.perf_counter() - _t0, 'END')"
# A megabyte each, once written as text; random, so that nothing can be shared.
IMAGE = (
    "display({'image/png': base64.b64encode(os.urandom(786_432)).decode(),"
    " 'text/plain': 'an image'}, raw=True)"
)
TEXT = "for _ in range(8_000):\n    print(os.urandom(64).hex()[:124])"
NOTEBOOKS = {
    "200 trivial cells": ["x = 1 + 1"] * 200,
    "50 MB of images": [IMAGE] * 50,
    "50 MB of text": [TEXT] * 50,
}
OURS, BARE, PAPERMILL = "runner, live output on", "bare nbclient", "papermill, default"
WHOLE = "whole process, start to exit"
CELLS = "first cell to last"


def run(setting: Setting) -> Report:
    report = Report("A notebook's run beside a bare nbclient and papermill")
    with running_server(setting.folder / "tracking") as server:
        client = _client(server, "ann", "user")
        with client as user, _client(server, "agent-n1", "agent") as agent:
            rig = Rig(server, user, agent, setting.folder)
            try:
                _measure(setting, rig, report)
            finally:
                rig.end()
    report.notes += [
        "Whole: one process from its start to its exit. The runner's has also fetched "
        "its bundle, sent live output, uploaded the output notebook and its HTML page, "
        "and recorded the verdict; the tracking server that takes it all runs on the "
        "same cores. The others read and write a local file.",
        "First cell to last: by the kernel's own clock, so without starts and ends.",
        "Papermill (`papermill in.ipynb out.ipynb`) is measured once, as it is slow.",
    ]
    return report


def _measure(setting: Setting, rig: Rig, report: Report) -> None:
    table: dict[str, dict[str, list[float]]] = {}
    papermills = []
    for name, sources in NOTEBOOKS.items():
        path = write_notebook(setting.folder / "in.ipynb", BEGIN, *sources, END)
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for _ in range(setting.rounds):
            found[OURS].append(_ours(rig, path))
            found[BARE].append(_process(path, bare_nbclient.__file__))
        found[PAPERMILL].append(_process(path, "-m", "papermill"))
        whole = {way: tuple(a for a, _ in values) for way, values in found.items()}
        report.pairs.append(Pair(name, whole[OURS], BARE, whole[BARE], GOAL))
        papermills.append(Pair(name, whole[OURS], PAPERMILL, whole[PAPERMILL]))
        for way, values in found.items():
            column = table.setdefault(way, {})
            column[f"{name}: {WHOLE}"] = [a for a, _ in values]
            column[f"{name}: {CELLS}"] = [b for _, b in values]
        cells = tuple(b for _, b in found[OURS]), tuple(b for _, b in found[BARE])
        report.pairs.append(Pair(f"{name}: cells alone", cells[0], BARE, cells[1]))
    report.pairs += papermills
    stages = [f"{name}: {part}" for name in NOTEBOOKS for part in (WHOLE, CELLS)]
    report.table = split_table(stages, table)


def _ours(rig: Rig, path: Path) -> tuple[float, float]:
    job = rig.submit(path)
    began = time.monotonic()
    if job.start().wait(300) != 0:
        raise RuntimeError(job.log[-3000:])
    seconds = time.monotonic() - began
    cells = _cells(job.folder / "job" / "output.ipynb")
    # 50 MB a run, which nobody needs again.
    rig.user.call("tasks.delete", {"task": job.task_id, "force": True})
    return seconds, cells


def _process(path: Path, *command: str) -> tuple[float, float]:
    target = path.with_name("out.ipynb")
    target.unlink(missing_ok=True)
    log = path.with_name("out.log")
    began = time.monotonic()
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, *command, str(path), str(target)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(path.parent),
                "LANG": "C.UTF-8",
            },
            stdout=output,
            stderr=output,
            check=False,
        )
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(log.read_text("utf-8", "replace")[-3000:])
    return seconds, _cells(target)


def _cells(path: Path) -> float:
    last = json.loads(path.read_text("utf-8"))["cells"][-1]
    text = "".join("".join(output["text"]) for output in last["outputs"])
    found = re.search(r"CELLS (.*) END", text)
    if found is None:
        msg = f"The last cell printed no time: {text[:200]!r}"
        raise RuntimeError(msg)
    return float(found[1])


def _client(server: Server, name: str, role: str) -> Client:
    access, secret = server.create_user(name, role)
    return Client(Credentials(server.url, server.url, server.files_url, access, secret))
