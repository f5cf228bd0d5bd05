"""The node's slots as ClearML workers: registered, reporting, with their tasks."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waylab_agent.machine import Machine
from waylab_agent.slots import Slot
from waylab_clearml.client import Client
from waylab_clearml.errors import BadRequest

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Work:
    """A task that a worker answers for, by which execution, with which devices."""

    task: str
    execution: str
    slot: str
    devices: tuple[str, ...] = ()


class Workers:
    """One worker per slot."""

    def __init__(self, client: Client, node: str, machine: Machine) -> None:
        """Nothing is sent before `report`."""
        self._client = client
        self._node = node
        self._machine = machine
        self._registered: dict[str, tuple[str, ...]] = {}
        self._reported: dict[str, tuple[Work | None, float]] = {}

    def report(
        self,
        slots: Sequence[Slot],
        queue_ids: Mapping[str, str],
        tasks: Mapping[str, Work],
        *,
        now: float,
        every_seconds: float,
    ) -> None:
        """Report each worker whose task changed, or whose last report is old.

        One whose slot is no longer among `slots` is taken off the server's list.
        `queue_ids` by queue name, `tasks` by slot name; `now` in seconds, monotonic.

        Raises:
            ClearMLError: the server does not answer.
        """
        names = {slot.name for slot in slots}
        for name in [name for name in self._registered if name not in names]:
            self._unregister(name)
        for slot in slots:
            queues = tuple(queue_ids[q] for q in slot.queues if q in queue_ids)
            task = tasks.get(slot.name)
            self._register(slot, queues)
            last_task, last_time = self._reported.get(slot.name, (None, -every_seconds))
            if task == last_task and now - last_time < every_seconds:
                continue
            self._send(slot, queues, task)
            self._reported[slot.name] = (task, now)

    def unregister(self) -> None:
        """Take the workers off the server's list.

        Raises:
            ClearMLError: the server does not answer.
        """
        for name in list(self._registered):
            self._unregister(name)

    def _unregister(self, name: str) -> None:
        self._client.call("workers.unregister", {"worker": f"{self._node}:{name}"})
        del self._registered[name]
        self._reported.pop(name, None)

    def _name(self, slot: Slot) -> str:
        return f"{self._node}:{slot.name}"

    def _register(self, slot: Slot, queues: tuple[str, ...]) -> None:
        if self._registered.get(slot.name) == queues:
            return
        body = {
            "worker": self._name(slot),
            "queues": list(queues),
            "timeout": TIMEOUT_SECONDS,
        }
        self._client.call("workers.register", body)
        self._registered[slot.name] = queues
        self._reported.pop(slot.name, None)

    def _send(self, slot: Slot, queues: tuple[str, ...], work: Work | None) -> None:
        body = {
            "worker": self._name(slot),
            "timestamp": int(time.time() * 1000),
            "queues": list(queues),
            "task": work.task if work else None,
            "is_daemon": True,
            "machine_stats": {
                **self._machine.statistics(),
                **self._machine.devices(slot.devices),
            },
        }
        try:
            execution = work.execution if work else ""
            self._client.call("workers.status_report", body, execution=execution)
        except BadRequest as error:
            # A server that forgot the worker (its data was restored, say).
            logger.info("Worker %s is registered again: %s", self._name(slot), error)
            self._registered.pop(slot.name, None)
