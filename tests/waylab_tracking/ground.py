"""A private project with everything in it, and all kinds of callers around it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
from tests.waylab_tracking.door import Door

from waylab_site.certificates import trusted
from waylab_tracking.access import Kind, Role
from waylab_tracking.testing import Server

MARK = "zebra"
"""In everything that only members of the private project may learn."""
PRIVATE = f"{MARK} project"


@dataclass(frozen=True)
class Caller:
    """Somebody at the door; `sees` the private project, `owns` what is in it."""

    role: Role | None
    token: str = ""
    sees: bool = False
    owns: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class Ground:
    """The callers, and what they meet."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx.Client(
            base_url=server.url, trust_env=False, verify=trusted(), timeout=30
        )
        server.call("waylab.ensure_user", {"name": "cara", "groups": ["vision"]})
        names = ("ann", "bob", "cara", "dan")
        self._doors = {name: Door(server, server.create_user(name)) for name in names}
        self._doors["root"] = Door(server, server.create_user("root", "admin"))
        for name in ("agent-one", "agent-two"):
            self._doors[name] = Door(server, server.create_user(name, "agent"))
        self._doors["system"] = Door(server, server.system)
        ann = self.ann
        self.project = str(
            ann.call("projects.create", name=PRIVATE, description=MARK, tags=[MARK])[
                "id"
            ]
        )
        ann.call(
            "waylab.share_project",
            project=self.project,
            visibility="group",
            users=["bob"],
            groups=["vision"],
        )
        self.below = str(
            ann.call("projects.create", name=f"{PRIVATE}/{MARK} below", description="")[
                "id"
            ]
        )
        self._numbers = count(1)
        self._spoilt = self.spoilable(Kind.PROJECT, taken=False)
        self.task = self.take(self.fresh_task())
        self.model = self.fresh_model()
        self.report(self.task)
        self.waiting = self.fresh_task()
        ann.call("tasks.enqueue", task=self.waiting)
        self.file = f"{PRIVATE}/run.{self.task}/artifacts/{MARK}.txt"
        self.loose_file = f"{PRIVATE}/{MARK}.bin"
        for path in (self.file, self.loose_file):
            ann.upload(path, MARK.encode()).raise_for_status()
        self.worker = "node-one:gpu0"
        self.agent.call("workers.register", worker=self.worker, queues=[])
        self.callers = {
            "nobody": Caller(None),
            "owner": Caller(Role.USER, ann.token, sees=True, owns=True),
            "member": Caller(Role.USER, self._doors["bob"].token, sees=True),
            "member by group": Caller(Role.USER, self._doors["cara"].token, sees=True),
            "other user": Caller(Role.USER, self._doors["dan"].token),
            "owner's job": Caller(Role.USER, self._job("ann"), sees=True, owns=True),
            "other's job": Caller(Role.USER, self._job("dan")),
            "admin": self._operator(Role.ADMIN, "root"),
            "system": self._operator(Role.SYSTEM, "system"),
            "agent": Caller(Role.AGENT, self.agent.token, sees=True, owns=True),
            "other agent": Caller(Role.AGENT, self._doors["agent-two"].token),
        }

    @property
    def ann(self) -> Door:
        return self._doors["ann"]

    @property
    def agent(self) -> Door:
        return self._doors["agent-one"]

    @property
    def ids(self) -> tuple[str, ...]:
        return self.project, self.below, self.task, self.model, self.waiting

    def close(self) -> None:
        self.http.close()
        for door in self._doors.values():
            door.close()

    def fresh_task(self) -> str:
        return self.ann.task(
            f"{MARK} task",
            project=self.project,
            tags=[MARK],
            system_tags=[MARK],
            comment=MARK,
            hyperparams={MARK: {MARK: {"section": MARK, "name": MARK, "value": MARK}}},
            configuration={MARK: {"name": MARK, "value": MARK}},
            parent=getattr(self, "task", None),
        )

    def fresh_model(self) -> str:
        made = self.ann.call(
            "models.create",
            name=f"{MARK} model",
            project=self.project,
            uri=f"https://{MARK}.example/x",
            tags=[MARK],
            framework=MARK,
            metadata={MARK: {"key": MARK, "value": MARK, "type": "str"}},
        )
        return str(made["id"])

    def take(self, task: str) -> str:
        """Have the first agent take a task out of its queue, and begin it.

        What is not begun within a minute would wait again.
        """
        queue = self.ann.call("queues.get_default")["id"]
        self.ann.call("tasks.enqueue", task=task, queue=queue)
        self.agent.call("queues.remove_task", queue=queue, task=task)
        self.agent.call("tasks.started", task=task)
        return task

    def report(self, task: str) -> None:
        number = {"iter": 1, "timestamp": 1, "metric": MARK, "variant": MARK}
        events: tuple[dict[str, Any], ...] = (
            {"type": "log", "msg": MARK},
            {"type": "training_stats_scalar", "value": 1.0, **number},
            {"type": "plot", "plot_str": json.dumps({"data": MARK}), **number},
            {"type": "training_debug_image", "url": f"https://{MARK}.x/y", **number},
        )
        for event in events:
            self.ann.call("events.add", task=task, **event)

    def standing(self, kind: Kind) -> str:
        """Give something of ann's that no call spoils."""
        others = {
            Kind.MODEL: self.model,
            Kind.PROJECT: self.project,
            Kind.WORKER: self.worker,
        }
        return others.get(kind, self.task)

    def spoilable(self, kind: Kind, *, taken: bool) -> str:
        """Give something new of ann's, or a worker of the first agent's."""
        number = next(self._numbers)
        if kind is Kind.WORKER:
            worker = f"node-one:gpu{number}"
            self.agent.call("workers.register", worker=worker, queues=[])
            return worker
        if kind is Kind.PROJECT:
            name = f"spoilt {number}"
            made = self.ann.call("projects.create", name=name, description="")["id"]
            share = {"project": made, "visibility": "private"}
            self.ann.call("waylab.share_project", **share)
            return str(made)
        if kind is Kind.MODEL:
            body = {"name": "spoilt", "uri": "x", "project": self._spoilt}
            return str(self.ann.call("models.create", **body)["id"])
        task = self.ann.task("spoilt", project=self._spoilt)
        return self.take(task) if taken else task

    def _job(self, owner: str) -> str:
        task = self._doors[owner].task("runs")
        self._doors[owner].call("tasks.started", task=task)
        return str(self.server.call("waylab.job_token", {"task": task})["token"])

    def _operator(self, role: Role, name: str) -> Caller:
        return Caller(role, self._doors[name].token, sees=True, owns=True)
