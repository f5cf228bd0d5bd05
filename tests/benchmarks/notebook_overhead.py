"""What the runner costs above a bare nbclient, and what papermill's default costs."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.benchmarks import bare_nbclient
from tests.benchmarks.measure import Pair, Report, Setting, split_table
from tests.waylab_clearml.notebooks import write_notebook
from tests.waylab_runner.rig import Rig

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_tracking.testing import Server, running_server

GOAL = 1.15
BEGIN = "import os, time, base64\n_began = time.time()"
END = "print('CELLS', _began, time.time(), 'END')"
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
PARTS = ("whole", "until the first cell", "cells", "after the last cell")
CPU = ("processor time of the job", "processor time of the tracking server")


@dataclass(frozen=True)
class Run:
    """How long one run and its parts took, in seconds of the clock or processor."""

    parts: tuple[float, ...]
    cpu: tuple[float, ...]


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
        "Cells: from the first to the last by the kernel's clock, so without start and "
        "end.",
        "Papermill (`papermill in.ipynb out.ipynb`) is measured once, as it is slow.",
    ]
    return report


def _measure(setting: Setting, rig: Rig, report: Report) -> None:
    ways: dict[str, Callable[[Path], Run]] = {
        OURS: lambda path: _ours(rig, path),
        BARE: lambda path: _process(path, bare_nbclient.__file__),
    }
    table: dict[str, dict[str, list[float]]] = {}
    papermills = []
    for name, sources in NOTEBOOKS.items():
        path = write_notebook(setting.folder / "in.ipynb", BEGIN, *sources, END)
        found: dict[str, list[Run]] = defaultdict(list)
        for _ in range(setting.rounds):
            for way, measure in ways.items():
                found[way].append(measure(path))
        found[PAPERMILL].append(_process(path, "-m", "papermill"))
        parts = {
            way: {
                part: tuple(run.parts[place] for run in runs)
                for place, part in enumerate(PARTS)
            }
            for way, runs in found.items()
        }
        for part in ("cells", "whole"):
            ours, bare = parts[OURS][part], parts[BARE][part]
            report.pairs.append(Pair(f"{name}: {part}", ours, BARE, bare, GOAL))
        ours, other = parts[OURS]["whole"], parts[PAPERMILL]["whole"]
        papermills.append(Pair(name, ours, PAPERMILL, other))
        for way, runs in found.items():
            column = table.setdefault(way, {})
            for part, values in parts[way].items():
                column[f"{name}: {part}"] = list(values)
            for place, kind in enumerate(CPU):
                values = tuple(run.cpu[place] for run in runs if len(run.cpu) > place)
                column[f"{name}: {kind}"] = list(values)
    report.pairs += papermills
    stages = [f"{name}: {part}" for name in NOTEBOOKS for part in (*PARTS, *CPU)]
    report.table = split_table(stages, table)


def _ours(rig: Rig, path: Path) -> Run:
    job = rig.submit(path)
    (server,) = (
        child
        for child in psutil.Process().children()
        if "waylab_tracking" in child.cmdline()
    )
    before = sum(server.cpu_times()[:2])
    cpu = _children_cpu()
    began = time.time()
    if job.start().wait(300) != 0:
        raise RuntimeError(job.log[-3000:])
    ended = time.time()
    used = _children_cpu() - cpu, sum(server.cpu_times()[:2]) - before
    parts = _parts(job.folder / "job" / "output.ipynb", began, ended)
    # 50 MB a run, which nobody needs again.
    rig.user.call("tasks.delete", {"task": job.task_id, "force": True})
    return Run(parts, used)


def _process(path: Path, *command: str) -> Run:
    target = path.with_name("out.ipynb")
    target.unlink(missing_ok=True)
    log = path.with_name("out.log")
    cpu, began = _children_cpu(), time.time()
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
    ended, used = time.time(), _children_cpu() - cpu
    if done.returncode:
        raise RuntimeError(log.read_text("utf-8", "replace")[-3000:])
    return Run(_parts(target, began, ended), (used,))


def _parts(path: Path, began: float, ended: float) -> tuple[float, ...]:
    last = json.loads(path.read_text("utf-8"))["cells"][-1]
    text = "".join("".join(output["text"]) for output in last["outputs"])
    found = re.search(r"CELLS (\S+) (\S+) END", text)
    if found is None:
        msg = f"The last cell printed no time: {text[:200]!r}"
        raise RuntimeError(msg)
    first, end = float(found[1]), float(found[2])
    return ended - began, first - began, end - first, ended - end


def _children_cpu() -> float:
    """Give the processor seconds of all ended children and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _client(server: Server, name: str, role: str) -> Client:
    access, secret = server.create_user(name, role)
    return Client(Credentials(server.url, server.url, server.files_url, access, secret))
