"""A real tracking server, real agents, and a user who enqueues scripts."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.waylab_agent.conditions import wait_until

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_tracking.testing import Server

FINAL = {"completed", "failed", "stopped", "closed", "published"}


@dataclass(frozen=True)
class Wish:
    """How an agent is started."""

    node: str
    command: Sequence[str]
    settings: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass
class AgentProcess:
    """One `python -m waylab_agent`; `heard` bytes of its log are of tests before."""

    process: subprocess.Popen[bytes]
    log: Path
    wish: Wish
    heard: int = 0

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        """Give what its log has of this test."""
        return self.log.read_bytes()[self.heard :].decode()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 40) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


@dataclass
class Rig:
    """Everything that a test of the agent needs.

    A rig may serve one test after the other. `home` has what lasts, and `folder` is
    the test's own. `kept` is the agent that the test before left with nothing to do:
    it goes on as the first that this one starts, if that is to have the same settings.
    """

    home: Path
    folder: Path
    queue: str
    server: Server
    ada: tuple[str, str]
    agent: tuple[str, str]
    agents: list[AgentProcess] = field(default_factory=list)
    kept: AgentProcess | None = None
    clients: dict[tuple[str, str], Client] = field(default_factory=dict)

    @property
    def user(self) -> Client:
        """The client of the user `ada`."""
        return self.client(*self.ada)

    @property
    def system(self) -> Client:
        """The client of the `system` principal."""
        return self.client(*self.server.system)

    def start_agent(
        self,
        node: str = "n1",
        environment: Mapping[str, str] | None = None,
        **settings: str,
    ) -> AgentProcess:
        """Have an agent started; settings override the defaults."""
        state = self.home / "agents" / node
        state.mkdir(parents=True, exist_ok=True)
        key_file = self.home / "agent.json"
        access, secret = self.agent
        keys = {"access_key": access, "secret_key": secret}
        key_file.write_text(json.dumps(keys))
        values = {
            "NODE": node,
            "QUEUES": self.queue,
            "SLOTS": "1",
            "API_URL": self.server.url,
            "WEB_URL": self.server.web_url,
            "FILES_URL": self.server.files_url,
            "KEY_FILE": str(key_file),
            "STATE": str(state),
            "HOMES": str(self.home / "homes"),
            "POLL_SECONDS": "0.25",
            "GRACE_SECONDS": "3",
            # Each rig is a site of its own: an agent with a board ends what bears its
            # site's mark and a lease unknown to the board, also of tests beside it.
            "SITE_ID": self.queue,
            **settings,
        }
        return self.run_agent(
            [sys.executable, "-m", "waylab_agent"], values, environment, name=node
        )

    def run_agent(
        self,
        command: Sequence[str],
        settings: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        *,
        name: str = "n1",
    ) -> AgentProcess:
        """Run an agent's command with these settings and variables."""
        wish = Wish(name, command, dict(settings), dict(environment or {}))
        kept, self.kept = self.kept, None
        if kept is not None and kept.is_alive:
            if kept.wish == wish:
                self.agents.append(kept)
                return kept
            kept.end()
        log = self.home / f"{name}-{secrets.token_hex(4)}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                command,
                env={
                    "PATH": os.environ["PATH"],
                    "SECRET_OF_THE_AGENT": "hush",
                    **wish.environment,
                    **{f"WAYLAB_AGENT_{k}": v for k, v in settings.items()},
                },
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        agent = AgentProcess(process, log, wish)
        self.agents.append(agent)
        return agent

    def stop_agents(self) -> None:
        """End the agents that still run, and their jobs."""
        kept, self.kept = self.kept, None
        for agent in (*self.agents, *([kept] if kept else [])):
            if agent.is_alive:
                agent.end(signal.SIGINT)

    @contextmanager
    def of_a_test(self, folder: Path) -> Iterator[Rig]:
        """Lend this rig to a test."""
        self.folder = folder
        self.agents = []
        yield self
        agent = next((one for one in self.agents if one.is_alive), self.kept)
        if agent is not None and self._is_idle(agent):
            self.agents = [one for one in self.agents if one is not agent]
            self.kept = None
            self.stop_agents()
            agent.heard = agent.log.stat().st_size
            self.kept = agent
        else:
            self.stop_agents()
            self._empty_queue()

    def _is_idle(self, agent: AgentProcess) -> bool:
        """Whether it lives and has nothing to do or to tell, now or in a moment."""
        state = self.home / "agents" / agent.wish.node
        traces = [state / "jobs", state / "releases"]

        def idle() -> bool:
            return not any(
                list(folder.iterdir()) for folder in traces if folder.is_dir()
            )

        for _ in range(20):
            if agent.is_alive and not self._entries() and idle():
                return True
            time.sleep(0.1)
        return False

    def _entries(self) -> list[str]:
        body = {"queue": self.queue_id(self.queue)}
        queue = self.system.call("queues.get_by_id", body)["queue"]
        return [str(entry["task"]) for entry in queue.get("entries") or ()]

    def _empty_queue(self) -> None:
        for task in self._entries():
            body = {"queue": self.queue_id(self.queue), "task": task}
            self.system.call("queues.remove_task", body)

    def queue_id(self, name: str) -> str:
        """Give the id of a queue, made if need be."""
        found = self.user.call("queues.get_all", {"name": f"^{name}$"})["queues"]
        for queue in found:
            if queue["name"] == name:
                return str(queue["id"])
        return str(self.system.call("queues.create", {"name": name})["id"])

    def client(self, access: str, secret: str) -> Client:
        """Give the client of a key pair."""
        if (access, secret) not in self.clients:
            self.clients[access, secret] = Client(
                Credentials(
                    api_url=self.server.url,
                    web_url=self.server.web_url,
                    files_url=self.server.files_url,
                    access_key=access,
                    secret_key=secret,
                )
            )
        return self.clients[access, secret]

    def enqueue(self, code: str, queue: str = "", **fields: Any) -> str:
        """Enqueue a script, in the test's queue if none is named; the task's id."""
        task = self.create(code, **fields)
        body = {"task": task, "queue": self.queue_id(queue or self.queue)}
        self.user.call("tasks.enqueue", body)
        return task

    def create(self, code: str, **fields: Any) -> str:
        """Make a task of a script."""
        body = {
            "name": "a script",
            "type": "training",
            "script": {
                "binary": "python3",
                "repository": "",
                "entry_point": "main.py",
                "working_dir": ".",
                "diff": code,
                "requirements": {},
            },
            **fields,
        }
        return str(self.user.call("tasks.create", body)["id"])

    def task(self, task_id: str) -> dict[str, Any]:
        """Give a task's document."""
        answer = self.user.call("tasks.get_by_id", {"task": task_id})
        task: dict[str, Any] = answer["task"]
        return task

    def end_of(self, task_id: str, seconds: float = 60) -> tuple[str, str]:
        """Wait for a task's end; its status and reason."""

        def ended() -> tuple[str, str] | None:
            task = self.task(task_id)
            if task["status"] in FINAL:
                print(self.story(task_id))  # Shown where the test then fails.
                return task["status"], task.get("status_reason") or ""
            return None

        return wait_until(
            ended, lambda: f"the end of {task_id}: {self.logs()}", seconds
        )

    def console(self, task_id: str) -> str:
        """Give all that the server has of a task's console, in order."""
        body = {"task": task_id, "batch_size": 5000, "order": "asc"}
        answer = self.user.call("events.get_task_log", body)
        events = sorted(answer["events"], key=lambda event: event["timestamp"])
        return "".join(event["msg"] for event in events)

    def wait_for_line(self, task_id: str, text: str, seconds: float = 60) -> None:
        """Wait until the server has a text of the task's console."""
        wait_until(
            lambda: text in self.console(task_id),
            lambda: f"{text!r} of {task_id}: {self.story(task_id)}",
            seconds,
        )

    def story(self, task_id: str) -> str:
        """Give what there is to be known of how a task went."""
        task = self.task(task_id)
        status = f"{task['status']}: {task.get('status_message')}"
        return f"{status}\n{self.console(task_id)[-2000:]}\n{self.logs()}"

    def logs(self) -> str:
        """Give the ends of the agents' logs."""
        return "\n".join(agent.said()[-3000:] for agent in self.agents)


@contextmanager
def running_rig(folder: Path, server: Server) -> Iterator[Rig]:
    """Give a user and a queue; agents that a test starts end with it."""
    rig = Rig(
        home=folder,
        folder=folder,
        queue=f"q-{secrets.token_hex(4)}",
        server=server,
        ada=server.create_user("ada"),
        agent=server.create_user("agent-n1", role="agent"),
    )
    rig.queue_id(rig.queue)
    try:
        yield rig
    finally:
        rig.stop_agents()
        for client in rig.clients.values():
            client.close()
