"""From enqueuing a notebook to its first output on the server, and where it goes."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import stock_agent
from tests.benchmarks.measure import Pair, Report, Setting, split_table, wait_for
from tests.benchmarks.process_watch import ProcessWatch
from tests.waylab_agent.rig import FINAL, Rig, running_rig
from tests.waylab_clearml.notebooks import write_notebook

from waylab_clearml.submit import Submission, submit
from waylab_tracking.testing import running_server

FIRST_CELL = """\
import time
_now = time.time()
import json, os
_boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
_stat = open("/proc/self/stat").read().rpartition(") ")[2].split()
_kernel = _boot + int(_stat[19]) / os.sysconf("SC_CLK_TCK")
print("FIRST", json.dumps({"now": _now, "kernel": _kernel}), "END")
"""
SECOND_CELL = """\
_a = time.time()
import clearml
_b = time.time()
clearml.Task.init(project_name="Bench", task_name="first output")
print("INIT", json.dumps({"imports": _b - _a, "init": time.time() - _b}), "END")
"""
STAGES = (
    "waits in the queue",
    "agent, until the runner starts",
    "runner's imports, until it starts the kernel",
    "kernel, until the first cell runs",
    "first output, until it is on the server",
    "**enqueue to first output on the server**",
    "(after it) import clearml in the notebook",
    "(after it) Task.init in the notebook",
)
PARKED = "parked"
SERVICE_INTERVAL = 5.0
POLL = {"CLEARML_AGENT_QUEUE_POLL_FREQ_SEC": "1"}
NO_ENVIRONMENT = {"CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL": "1"}


@dataclass(frozen=True)
class Way:
    """One of those that run the notebook."""

    name: str
    queue: str
    stock: bool


WAYS = (
    Way("ours", "ours", stock=False),
    Way("stock agent", "stock5", stock=True),
    Way("stock agent, polling each 1 s", "stock1", stock=True),
    Way("the same without any environment", "bare1", stock=True),
)


def run(setting: Setting) -> Report:
    with running_server(setting.folder / "tracking") as server:
        rig_folder = setting.folder / "rig"
        rig_folder.mkdir()
        with (
            running_rig(rig_folder, server) as rig,
            stock_agent.running_daemon(setting.folder, server, "stock5"),
            stock_agent.running_daemon(setting.folder, server, "stock1", POLL),
            stock_agent.running_daemon(
                setting.folder, server, "bare1", {**POLL, **NO_ENVIRONMENT}
            ),
        ):
            for queue in (PARKED, *(way.queue for way in WAYS)):
                rig.queue_id(queue)
            rig.start_agent(QUEUES="ours", POLL_SECONDS="0.5")
            return _measure(setting, rig)


def _measure(setting: Setting, rig: Rig) -> Report:
    splits: dict[str, dict[str, list[float]]] = {
        way.name: defaultdict(list) for way in WAYS
    }
    for way in WAYS:  # The first run fills caches, some of them shared.
        if way.queue != "stock1":
            _one(setting, rig, way, seconds=400)
    for _ in range(setting.rounds):
        for way in WAYS:
            for stage, seconds in _one(setting, rig, way, seconds=120).items():
                splits[way.name][stage].append(seconds)
    total = STAGES[5]
    ours, *others = WAYS
    return Report(
        "Enqueue to the first cell's first output",
        [
            Pair(
                "first output on the server's log",
                tuple(splits[ours.name][total]),
                other.name,
                tuple(splits[other.name][total]),
                goal=None if other.queue == "bare1" else 0.5,
            )
            for other in others
        ],
        [
            f"Stock: {stock_agent.DESCRIPTION}. Its default is to look at the queue "
            "each 5 s and to send the console each 5 s.",
            "Without any environment: CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL=1 and each "
            "1 s, so the stock daemon does as ours does and uses the current Python.",
            "The stock agent's virtual environment holds the runner's dependencies "
            "alone, ours is the whole of Waylab with the libraries of its starters; so "
            "`import clearml` and `Task.init`, which load what they find, have more to "
            "do in ours.",
            "Ours: `waylab_agent` with its defaults, one slot, not isolated.",
            "Each task is enqueued at a random moment, with all agents idle. Medians "
            "of stages need not add up. Starts of processes are seen in /proc: the "
            "official agent becomes the runner in place (exec). The log is asked for "
            "each 0.1 s.",
        ],
        split_table(STAGES, splits),
    )


def _one(setting: Setting, rig: Rig, way: Way, *, seconds: float) -> dict[str, float]:
    time.sleep(setting.random.uniform(0, SERVICE_INTERVAL))
    task = _prepare(rig, way)
    queue = rig.queue_id(way.queue)
    enqueued = time.time()
    rig.user.call("tasks.enqueue", {"task": task, "queue": queue})
    first, watch, seen = _wait_for_output(rig, task, seconds)
    wait_for(
        lambda: rig.task(task)["status"] in FINAL, f"the end of {way.name}'s task", 180
    )
    second = wait_for(lambda: _printed(rig, task, "INIT"), "Task.init's line", 30)
    wait_for(lambda: _is_idle(rig, task), f"{way.name} to be idle again", 60)
    moments = (
        enqueued,
        watch.execute_started,
        watch.script_started,
        first["kernel"],
        first["now"],
        seen,
    )
    lengths = [b - a for a, b in itertools.pairwise(moments)]
    lengths += [seen - enqueued, second["imports"], second["init"]]
    return dict(zip(STAGES, lengths, strict=True))


def _wait_for_output(
    rig: Rig, task: str, seconds: float
) -> tuple[dict[str, Any], ProcessWatch, float]:
    """Give the first cell's line, what was seen of processes, and when it was there."""
    watch = ProcessWatch(task)
    deadline = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < deadline:
        watch.look()
        turn += 1
        if turn % 5 == 0:
            found = _printed(rig, task, "FIRST")
            if found:
                return found, watch, time.time()
            if turn % 50 == 0 and rig.task(task)["status"] in FINAL:
                break
        time.sleep(0.02)
    msg = f"No output within {seconds:g} s: {rig.console(task)[-3000:]}"
    raise RuntimeError(msg)


def _prepare(rig: Rig, way: Way) -> str:
    """Give a task of the notebook that is in no queue yet."""
    notebook = write_notebook(rig.folder / "first.ipynb", FIRST_CELL, SECOND_CELL)
    submission = Submission(notebook, PARKED, name="first output", project="Bench")
    task = submit(rig.user, submission).task_id
    rig.user.call("tasks.dequeue", {"task": task})
    if way.stock:
        # Without requirements, the stock agent does not use its cache.
        script = {
            **rig.task(task)["script"],
            "requirements": {"pip": stock_agent.REQUIREMENTS},
        }
        body = {"task": task, "script": script, "force": True}
        rig.user.call("tasks.edit", body)
    return task


def _printed(rig: Rig, task: str, word: str) -> dict[str, Any] | None:
    found = re.search(rf"^{word} (.*) END$", rig.console(task), re.MULTILINE)
    if found is None:
        return None
    value: dict[str, Any] = json.loads(found[1])
    return value


def _is_idle(rig: Rig, task: str) -> bool:
    workers = rig.system.call("workers.get_all", {"last_seen": 600})["workers"]
    return all((worker.get("task") or {}).get("id") != task for worker in workers)
