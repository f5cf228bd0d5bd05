"""Queues as a person chooses among them: how long, and who serves them."""

from __future__ import annotations

from dataclasses import dataclass

from waylab_clearml.client import Client


@dataclass(frozen=True)
class Queue:
    """A queue: `length` tasks wait; `free_slots` of `slots` workers have no task."""

    id: str
    name: str
    length: int
    slots: int
    free_slots: int


def list_queues(client: Client) -> tuple[Queue, ...]:
    """Give every queue, by name; `services` (for controllers) comes last."""
    raise NotImplementedError
