"""Queues as a person chooses among them: how long, and who serves them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from waylab_clearml.client import Client
from waylab_clearml.errors import SubmitError
from waylab_clearml.offer import GpuOffer, NodeOffer, Offer, offer_in
from waylab_clearml.options import GpuWish

# Runs controllers (pipelines, searches), not work: last in every list.
SERVICES = "services"


@dataclass(frozen=True)
class Queue:
    """A queue: `length` tasks wait; `free_slots` of `slots` places have no holder.

    A place is what a job gets that asks for nothing special: `default_gpus` GPUs, or a
    slot without one. Where no board tells, places are workers, and `gpus` and `nodes`
    are empty.
    """

    id: str
    name: str
    length: int
    slots: int
    free_slots: int
    default_gpus: int = 0
    cpu_slots: int = 0
    gpus: tuple[GpuOffer, ...] = ()
    nodes: tuple[NodeOffer, ...] = ()


def list_queues(client: Client) -> tuple[Queue, ...]:
    """Give every queue, by name; `services` (for controllers) comes last."""
    entries = client.call("queues.get_all", {}).get("queues") or []
    workers = client.call("workers.get_all", {}).get("workers") or []
    slots: dict[str, int] = {}
    free: dict[str, int] = {}
    for worker in workers:
        busy = bool((worker.get("task") or {}).get("id"))
        for served in worker.get("queues") or ():
            key = str(served.get("id") if isinstance(served, dict) else served)
            slots[key] = slots.get(key, 0) + 1
            free[key] = free.get(key, 0) + (not busy)
    found = []
    now = datetime.now(UTC)
    for entry in entries:
        by_workers = Offer(slots.get(entry["id"], 0), free.get(entry["id"], 0))
        offer = offer_in(entry, now) or by_workers
        found.append(
            Queue(
                id=entry["id"],
                name=entry["name"],
                length=len(entry.get("entries") or ()),
                slots=offer.slots,
                free_slots=offer.free_slots,
                default_gpus=offer.default_gpus,
                cpu_slots=offer.cpu_slots,
                gpus=offer.gpus,
                nodes=offer.nodes,
            )
        )
    return tuple(sorted(found, key=lambda queue: (queue.name == SERVICES, queue.name)))


def find_queue(client: Client, name_or_id: str) -> tuple[str, str]:
    """Give (id, name) of a queue.

    Raises:
        SubmitError: there is none; the message names those that exist.
    """
    entries = client.call("queues.get_all", {"only_fields": ["id", "name"]})
    known = {entry["name"]: entry["id"] for entry in entries.get("queues") or ()}
    for name, queue_id in known.items():
        if name_or_id in {name, queue_id}:
            return queue_id, name
    names = ", ".join(sorted(known)) or "none"
    msg = f"There is no queue {name_or_id!r}; there are: {names}."
    raise SubmitError(msg)


def check_gpus(client: Client, queue: str, wish: GpuWish) -> None:
    """Refuse a wish that a queue can never serve.

    Where nobody can tell now, it passes: the board looks at each task again.

    Raises:
        GpusError: with the field at fault, and what there is.
    """
    for entry in client.call("queues.get_all", {}).get("queues") or ():
        offer = offer_in(entry, datetime.now(UTC))
        if offer is not None and queue in {entry["name"], entry["id"]}:
            offer.check(wish)


def position_in_queue(client: Client, queue_id: str, task_id: str) -> int | None:
    """Give a task's place in a queue, from 1; None if it is not there (any more)."""
    answer = client.call("queues.get_by_id", {"queue": queue_id})
    entries = (answer.get("queue") or {}).get("entries") or ()
    for place, entry in enumerate(entries, start=1):
        if entry.get("task") == task_id:
            return place
    return None
