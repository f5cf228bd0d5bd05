"""Jobs as an agent would run them: a real server, a real runner, a real kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from waylab_clearml import runs
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_clearml.queues import find_queue
from waylab_clearml.submit import Submission, submit
from waylab_tracking.testing import Server

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, seconds: float = 60.0) -> T:
    """Give the condition's first true value; AssertionError when the time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            msg = f"not within {seconds:g} s: {what}"
            raise AssertionError(msg)
        time.sleep(0.05)
    return value


@dataclass
class Job:
    """One task, claimed, and its runner's process."""

    task_id: str
    folder: Path
    user: Client
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the runner printed so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def start(self) -> Job:
        """Start the runner."""
        self.user.call("tasks.started", {"task": self.task_id, "force": True})
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "waylab_runner"],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send the runner a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = 120.0) -> int:
        """Wait for the runner's end; give its exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def wait_for_line(self, text: str) -> None:
        """Wait until the runner has printed a text."""
        wait_until(lambda: text in self.log, f"{text!r} in the log")

    def run(self) -> runs.Run:
        """Give the run as the server has it."""
        return runs.get_run(self.user, self.task_id)

    def notebook(self) -> dict[str, Any]:
        """Give the output notebook so far, or final."""
        return runs.live_notebook(self.user, self.task_id)

    def texts(self) -> list[str]:
        """Give each code cell's stream text in the output notebook."""
        return [
            "".join(one["text"] for one in cell["outputs"] if "text" in one)
            for cell in self.notebook()["cells"]
        ]

    def artifact(self, key: str) -> bytes:
        """Give an output file."""
        (found,) = (one for one in self.run().artifacts if one.key == key)
        return self.user.read(found.uri, limit_bytes=10**9)


@dataclass
class Rig:
    """What makes jobs."""

    server: Server
    user: Client
    agent: Client
    folder: Path
    jobs: list[Job] = field(default_factory=list)

    def submit(self, notebook: Path, **more: Any) -> Job:
        """Submit a notebook and claim its task, as an agent does."""
        submitted = submit(self.user, Submission(notebook, "default", **more))
        return self.claim(submitted.task_id)

    def claim(self, task_id: str) -> Job:
        """Take a task out of its queue; it is not started yet."""
        queue_id, _ = find_queue(self.user, "default")
        body = {"queue": queue_id, "task": task_id}
        assert self.agent.call("queues.remove_task", body)["removed"] == 1
        folder = self.folder / task_id
        folder.mkdir()
        credentials = self._credentials(task_id)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            **sdk_environment(credentials),
            "CLEARML_TASK_ID": task_id,
            "CLEARML_LOG_TASK_TO_BACKEND": "0",
            "WAYLAB_JOB_DIR": str(folder / "job"),
        }
        job = Job(task_id, folder, self.user, environment)
        self.jobs.append(job)
        return job

    def _credentials(self, task_id: str) -> Credentials:
        """Give what a job acts with: a token, or its owner's own keys."""
        if self.server.is_strict:
            return self.user.credentials
        token = self.agent.call("waylab.job_token", {"task": task_id})["token"]
        return Credentials(
            self.server.url, self.server.web_url, self.server.files_url, token=token
        )

    def end(self) -> None:
        """End what a failed test left running."""
        for job in self.jobs:
            if job.process is not None and job.process.poll() is None:
                job.process.kill()
                job.process.wait(20)
