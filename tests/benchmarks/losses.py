"""A round of losses: nodes go, for a moment or for too long, while jobs run.

Two agents serve a queue that takes lost jobs back. Afterwards every task must have
completed, and once a run was given up nothing of it may be in the record.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from pathlib import Path

import psutil
from tests.benchmarks.faults import END_SECONDS, Findings
from tests.waylab_agent.rig import FINAL, AgentProcess, Rig, running_rig

from waylab_agent.errors import JournalError
from waylab_agent.journal import Journal
from waylab_tracking.testing import running_server

NODES = ("n1", "n2")
LOST_SECONDS, GIVE_UP_SECONDS = 3.0, 6.0
RULES = {"again": {"action": "requeue", "requeues": 100}}
CODE = """\
import secrets, time
run = secrets.token_hex(4)
for i in range({lines}):
    print("run", run, i, flush=True)
    time.sleep({pause})
print("run", run, "ended", flush=True)
"""
_LINE = re.compile(r"^run ([0-9a-f]{8}) (\S+)$")
_GIVEN_UP = "agent-lost: "


def run_round(folder: Path, dice: random.Random) -> Findings:
    """Run jobs, let nodes go meanwhile, and say what is wrong afterwards."""
    (folder / "rig").mkdir()
    findings = Findings()
    with (
        running_server(
            folder / "tracking",
            lost_seconds=str(LOST_SECONDS),
            give_up_seconds=str(GIVE_UP_SECONDS),
            on_lost=json.dumps(RULES),
        ) as server,
        running_rig(folder / "rig", server) as rig,
    ):
        rig.queue = "again"
        rig.queue_id(rig.queue)
        agents = {node: _start(rig, node) for node in NODES}
        tasks = []
        for _ in range(dice.randint(3, 6)):
            code = CODE.format(lines=dice.randint(20, 120), pause=0.2)
            tasks.append(rig.enqueue(code))
        did = _hurt(rig, dice, agents)
        _wait_for_ends(rig, tasks)
        losses = 0
        for task in tasks:
            status = rig.task(task)["status"]
            if status != "completed":
                findings.wrong.append(f"{task} is {status}, not completed")
            console = rig.console(task)
            losses += console.count(_GIVEN_UP)
            findings.wrong += [f"{task}: {one}" for one in faults_of(console)]
    hits = ", ".join(f"{count} x {what}" for what, count in sorted(did.items()))
    findings.summary = f"{len(tasks)} jobs, {losses} given up; {hits}"
    return findings


def faults_of(console: str) -> list[str]:
    """Say what of runs that were given up is in a log, and whether one has ended."""
    wrong: list[str] = []
    over: set[str] = set()
    here: set[str] = set()
    ended = ""
    for line in console.splitlines():
        if line.startswith(_GIVEN_UP):
            over |= here
            here = set()
            ended = ""
        elif found := _LINE.match(line):
            run, what = found.groups()
            here.add(run)
            ended = run if what == "ended" else ended
            if run in over:
                wrong.append(f"run {run} wrote {what!r} after it was given up")
    if len(here) > 1:
        wrong.append(f"the runs {sorted(here)} wrote at once")
    if not ended:
        wrong.append("the run that counts has no end in the log")
    return wrong


def _start(rig: Rig, node: str) -> AgentProcess:
    return rig.start_agent(node, SLOTS="2", REPORT_SECONDS="0.5")


def _hurt(
    rig: Rig, dice: random.Random, agents: dict[str, AgentProcess]
) -> Counter[str]:
    done: Counter[str] = Counter()
    for _ in range(dice.randint(2, 4)):
        time.sleep(dice.uniform(0.5, 6))
        node = dice.choice(NODES)
        with_jobs, long = dice.random() < 0.5, dice.random() < 0.6
        agents[node].kill()
        if with_jobs:
            _kill_jobs(rig.home / "agents" / node)
        away = GIVE_UP_SECONDS + 3 if long else LOST_SECONDS - 1
        time.sleep(dice.uniform(away - 1, away + 1))
        agents[node] = _start(rig, node)
        lost = "node" if with_jobs else "agent"
        done[f"{lost} away for {'too long' if long else 'a moment'}"] += 1
    return done


def _kill_jobs(state: Path) -> None:
    for folder in Journal(state).folders():
        try:
            process = folder.read().process
            if process is None:
                continue
            shim = psutil.Process(process.pid)
            for member in [shim, *shim.children(recursive=True)]:
                member.kill()
        except (JournalError, psutil.NoSuchProcess):
            continue


def _wait_for_ends(rig: Rig, tasks: list[str]) -> None:
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        if all(rig.task(task)["status"] in FINAL for task in tasks):
            return
        time.sleep(0.5)
