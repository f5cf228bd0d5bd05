"""A round of faults: programs are killed at random moments while jobs run.

Afterwards every task must be in a final state that is true, none may have run twice,
and no line of a console may be lost, doubled or out of order.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import wait_for
from tests.waylab_agent.rig import FINAL, AgentProcess, Rig, running_rig
from tests.waylab_clearml.notebooks import write_notebook

from waylab_clearml.submit import Submission, submit
from waylab_tracking.testing import running_server

SLOTS = "2"
END_SECONDS = 240.0
# Each appends to a file when it starts and when it ends: what really happened.
BODY = """\
import os, time
def _mark(word):
    with open({marks!r}, "a") as file:
        file.write(f"{name} {{word}}\\n")
_mark("started")
for i in range({lines}):
    print("line", i, "of {name}", flush=True)
    time.sleep({pause})
_mark("ended")
"""


@dataclass
class Findings:
    """What a round came to; `wrong` is empty if all is well.

    `cut_short` says that the round did not do all that it should.
    """

    summary: str = ""
    wrong: list[str] = field(default_factory=list)
    cut_short: bool = False


@dataclass(frozen=True)
class Planned:
    """A job, and what it does if it is let."""

    name: str
    task: str
    lines: int
    fails: bool


def run_round(folder: Path, dice: random.Random) -> Findings:
    """Run jobs, kill programs meanwhile, and say what is wrong afterwards."""
    marks = folder / "marks"
    marks.touch()
    with running_server(folder / "tracking") as server:
        rig_folder = folder / "rig"
        rig_folder.mkdir()
        with running_rig(rig_folder, server) as rig:
            agent = rig.start_agent(SLOTS=SLOTS)
            jobs = [_enqueue(rig, dice, marks, n) for n in range(dice.randint(4, 8))]
            kills = _hurt(rig, dice, agent)
            findings = Findings()
            statuses = _wait_for_ends(rig, jobs, findings)
            for job in jobs:
                findings.wrong += _faults_of(rig, job, marks, statuses[job.name])
    counts = Counter(f"{status}/{reason}" for status, reason in statuses.values())
    ends = ", ".join(f"{count} {end}" for end, count in sorted(counts.items()))
    did = ", ".join(f"{count} x {what}" for what, count in sorted(kills.items()))
    findings.summary = f"{len(jobs)} jobs ({ends}); {did}"
    return findings


def _enqueue(rig: Rig, dice: random.Random, marks: Path, number: int) -> Planned:
    name = f"job{number}"
    lines = dice.randint(1, 60)
    body = BODY.format(
        marks=str(marks), name=name, lines=lines, pause=round(dice.uniform(0, 0.15), 3)
    )
    fails = dice.random() < 0.3
    if fails:
        body += "raise ValueError('on purpose')\n"
    if dice.random() < 0.3:
        path = write_notebook(rig.folder / f"{name}.ipynb", "x = 1", body)
        task = submit(rig.user, Submission(path, rig.queue, name=name)).task_id
    else:
        task = rig.enqueue(body, name=name)
    return Planned(name, task, lines, fails)


def _hurt(rig: Rig, dice: random.Random, agent: AgentProcess) -> Counter[str]:
    """Kill and start again, at random moments; all runs again afterwards."""
    done: Counter[str] = Counter()

    def pause(most: float) -> None:
        time.sleep(dice.uniform(0, most))

    def hit_agent() -> None:
        nonlocal agent
        agent.kill()
        pause(3)
        agent = rig.start_agent(SLOTS=SLOTS)

    def hit_tracking() -> None:
        rig.server.kill()
        pause(3)
        rig.server.start()

    def hit_both() -> None:
        nonlocal agent
        rig.server.kill()
        pause(1)
        agent.kill()
        agent = rig.start_agent(SLOTS=SLOTS)
        pause(2)
        rig.server.start()

    hits: list[tuple[str, Callable[[], None]]] = [
        ("kill -9 agent", hit_agent),
        ("kill -9 tracking", hit_tracking),
        ("kill -9 both", hit_both),
    ]
    for _ in range(dice.randint(2, 6)):
        pause(4)
        name, hit = dice.choice(hits)
        hit()
        done[name] += 1
    return done


def _wait_for_ends(
    rig: Rig, jobs: list[Planned], findings: Findings
) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    deadline = time.monotonic() + END_SECONDS
    for job in jobs:

        def ended(task: str = job.task) -> bool:
            return rig.task(task)["status"] in FINAL

        try:
            left = max(0.0, deadline - time.monotonic())
            wait_for(ended, f"the end of {job.name}", left)
        except TimeoutError:
            logs = rig.logs()[-1500:]
            findings.wrong.append(f"{job.name} has no end; agents' log: {logs}")
        task = rig.task(job.task)
        found[job.name] = task["status"], task.get("status_reason") or ""
    return found


def _faults_of(rig: Rig, job: Planned, marks: Path, end: tuple[str, str]) -> list[str]:
    status, reason = end
    words = [
        line.partition(" ")[2]
        for line in marks.read_text("utf-8").splitlines()
        if line.partition(" ")[0] == job.name
    ]
    label = f"{job.name} ({status}/{reason}, {words})"
    wrong = []
    if words.count("started") > 1:
        wrong.append(f"{label} ran twice")
    right = "failed" if job.fails else "completed"
    if "ended" in words and status != right:
        wrong.append(f"{label} ran to its end, so it should be {right}")
    if "ended" not in words and status == "completed":
        wrong.append(f"{label} did not run to its end")
    if "ended" in words:
        printed = [
            line
            for line in rig.console(job.task).splitlines()
            if line.startswith("line ")
        ]
        expected = [f"line {i} of {job.name}" for i in range(job.lines)]
        if printed != expected:
            wrong.append(
                f"{label} printed {len(expected)} lines, on record are {len(printed)}; "
                f"missing {sorted(set(expected) - set(printed))[:5]}"
            )
    else:
        wrong.append(f"{label} was not let run to its end")
    return wrong
