"""Agent and board killed at every commit and engine call of a job's life."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from tests.integration.crashes.rounds import (
    CONVERGES_SECONDS,
    NotConvergedError,
    Outcome,
)
from tests.integration.crashes.strikes import Strikes, prepared
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.docker_rig import LAB, DockerRig, image, running_docker
from tests.waylab_agent.rig import FINAL, AgentProcess, running_rig

from waylab_rig import devices
from waylab_rig.rig import REFERENCE, start_engine
from waylab_tracking.testing import running_server

ROLES = ("agent", "board")
# It tells how often it ran at all: its home stays.
SCRIPT = """\
open('/home/lab/runs', 'a').write('{name} ')
print('line', 0); print('line', 1)
print('RUNS', open('/home/lab/runs').read().split().count('{name}'))
"""
_PASSES_SECONDS = 60.0


class JobSite:
    """A node whose agent runs one job after the other, and their crash points."""

    def __init__(self, docker: DockerRig, strikes: Strikes) -> None:
        """Start the agent; the rest runs already."""
        self.docker = docker
        self.strikes = strikes
        self._jobs = 0
        self._agent: AgentProcess = docker.start_agent()
        wait_until(lambda: docker.ledger.board.state().nodes, "the node's report")

    def points(self, role: str) -> tuple[str, ...]:
        """Let a job go well; give the points that a program passes meanwhile."""
        return self._round(role, "")[1]

    def crash(self, role: str, point: str) -> Outcome:
        """Kill a program at a point of a job's life, start it again, and judge.

        Raises:
            NotConvergedError: the text says what is wrong.
        """
        return self._round(role, point)[0]

    def refresh(self, role: str) -> None:
        """Start a program anew."""
        if role == "agent" and not self._has_ended(role):
            self._agent.kill()
        self._restart(role)

    def mend(self) -> None:
        """Start both programs anew, and wait until nothing is left of any job.

        Raises:
            NotConvergedError: something stays.
        """
        for role in ROLES:
            self.refresh(role)
        self._until(self._is_at_rest, CONVERGES_SECONDS, "it does not come to rest")

    def _round(self, role: str, point: str) -> tuple[Outcome, tuple[str, ...]]:
        rig = self.docker.rig
        self._jobs += 1
        self.strikes.arm(role, point)
        try:
            code = SCRIPT.format(name=f"job-{self._jobs}")
            task = self.docker.enqueue(code, gpus=1)
            self._until(
                lambda: self._has_ended(role) or self._is_over(task),
                _PASSES_SECONDS,
                f"{role} at {point!r} comes to no end",
            )
        finally:
            passed = self.strikes.disarm()
        died = self._has_ended(role)
        began = time.monotonic()
        if died:
            self._restart(role)
        what = f"job: {role} died at {point!r}"
        self._until(lambda: self._is_over(task), CONVERGES_SECONDS, what)
        seconds = time.monotonic() - began
        console = rig.console(task)
        lines = [x for x in console.splitlines() if x.startswith(("line ", "RUNS"))]
        if lines != ["line 0", "line 1", "RUNS 1"] or rig.end_of(task) != (
            "completed",
            "completed",
        ):
            msg = f"{what}: {rig.end_of(task)}, {console}"
            raise NotConvergedError(msg)
        told = self.docker.ledger.board.call("GET", "/audit").raise_for_status().json()
        if told:
            msg = f"{what}: {told}"
            raise NotConvergedError(msg)
        return Outcome(point, died, seconds, "completed"), passed

    def _is_over(self, task: str) -> bool:
        """Whether the task has ended, and nothing of it is left anywhere."""
        return self.docker.rig.task(task)["status"] in FINAL and self._is_at_rest()

    def _is_at_rest(self) -> bool:
        state = self.docker.ledger.board.state()
        return (
            not state.leases
            and not state.line
            and not self.docker.containers()
            and not self.docker.ledger.releases()
            and not list((self.docker.rig.home / "agents/n1/jobs").iterdir())
        )

    def _has_ended(self, role: str) -> bool:
        if role == "agent":
            return self._agent.process.poll() is not None
        return self.docker.ledger.board.has_ended

    def _restart(self, role: str) -> None:
        if role == "agent":
            self._agent = self.docker.start_agent()
        else:
            self.docker.ledger.board.restart()

    def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        def asked() -> bool:
            with suppress(httpx.HTTPError):
                return condition()
            return False

        try:
            wait_until(asked, self._seen, seconds)
        except AssertionError as error:
            msg = f"{what}: {error}"
            raise NotConvergedError(msg) from error

    def _seen(self) -> str:
        board = self.docker.ledger.board
        with suppress(httpx.HTTPError):
            state = board.state()
            seen = f"leases: {state.leases}\nline: {state.line}\n"
            seen += f"containers: {self.docker.containers()}\n"
            return seen + self._agent.log.read_text()[-3000:] + board.log[-2000:]
        return board.log[-3000:]


@contextmanager
def job_site(root: Path) -> Iterator[JobSite]:
    """Run a node, a board and tracking whose programs can be killed at their points."""
    gpus = devices.of_node("n1", "RTX 4090", 1, 24)
    everywhere = "0.0.0.0"  # noqa: S104 - containers reach it at their bridge.
    for name in ("tracking", "rig"):
        (root / name).mkdir()
    with (
        prepared(root / "crash-points") as strikes,
        running_server(root / "tracking", host=everywhere) as server,
        start_engine("n1", gpus, root / "engine", with_image=True) as node,
        running_rig(root / "rig", server) as rig,
        running_docker(rig, node, (image(LAB, REFERENCE),)) as docker,
    ):
        docker.ledger.environment.update(strikes.environment)
        yield JobSite(docker, strikes)
