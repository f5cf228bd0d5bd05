"""What a queued task wants of the ledger: from its parameters, else from its queue."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waylab_ledger.values import DeviceKind, Holder, Request, Selector
from waylab_site.model import SERVICES_QUEUE, Queue, Site

SECTION = "Waylab"
GIB = 1024**3
MOST_GPUS = 64
END_MARGIN_SECONDS = 600
"""The runner ends its notebook itself; only one that does not is ended from here."""


class WantsError(ValueError):
    """A task asks for what makes no sense; the text names parameter and remedy."""


@dataclass(frozen=True)
class Entry:
    """A task in a queue, as ClearML tells it; `added` is when it was enqueued.

    `refusal` says why nobody can run it.
    """

    task: str
    added: str
    name: str
    user: str
    project: str
    parameters: Mapping[str, str]
    refusal: str = ""


def parameters_of(task: Mapping[str, Any]) -> dict[str, str]:
    """Give the task parameters of the section `Waylab`, by name."""
    section = (task.get("hyperparams") or {}).get(SECTION) or {}
    return {
        str(name): str(item.get("value") or "").strip()
        for name, item in section.items()
        if isinstance(item, Mapping)
    }


def request_of(
    entry: Entry,
    queue: str,
    site: Site,
    nodes_with_gpus: frozenset[str],
    groups: tuple[str, ...] = (),
) -> Request:
    """Give the request of a queued task.

    Raises:
        WantsError: its parameters make no sense.
    """
    return Request(
        # A task that is enqueued anew is a new wish.
        key=f"job:{entry.task}:{entry.added}",
        holder=Holder.job(entry.task),
        user=entry.user,
        selector=_selector(entry.parameters, queue, site, nodes_with_gpus),
        priority=rank_of(queue, site),
        groups=groups,
        project=entry.project,
        queue=queue,
        limit_seconds=_limit(entry.parameters),
        note=entry.name,
    )


def nodes_of(queue: str, site: Site) -> tuple[str, ...]:
    """Name the nodes that serve a queue; empty where every one does."""
    declared = _declared(queue, site)
    if declared is None or declared.nodes == "all":
        return ()
    return declared.nodes


def nameable(queue: str, site: Site) -> tuple[str, ...]:
    """Name the nodes that a job of a queue may ask for."""
    return nodes_of(queue, site) or tuple(node.name for node in site.nodes)


def default_gpus(
    queue: str, site: Site, nodes: tuple[str, ...], nodes_with_gpus: frozenset[str]
) -> int:
    """Give how many GPUs a task gets that names no number (on some of the nodes)."""
    declared = _declared(queue, site)
    if declared is not None and declared.gpus is not None:
        return declared.gpus
    serving = frozenset(nodes) or frozenset(node.name for node in site.nodes)
    return 1 if serving & nodes_with_gpus else 0


def _selector(
    parameters: Mapping[str, str],
    queue: str,
    site: Site,
    nodes_with_gpus: frozenset[str],
) -> Selector:
    if queue == SERVICES_QUEUE:
        return Selector(kind=DeviceKind.SERVICE)
    nodes = _nodes(parameters, queue, site)
    count = _count(parameters)
    if count is None:
        count = default_gpus(queue, site, nodes, nodes_with_gpus)
    if count == 0:
        return Selector(kind=DeviceKind.CPU, nodes=nodes)
    slice_profile = parameters.get("mig_profile") or None
    return Selector(
        kind=DeviceKind.MIG if slice_profile else DeviceKind.GPU,
        count=count,
        nodes=nodes,
        model=parameters.get("gpu_model") or None,
        min_memory_bytes=_memory(parameters),
        mig_profile=slice_profile,
    )


def _nodes(parameters: Mapping[str, str], queue: str, site: Site) -> tuple[str, ...]:
    wanted = parameters.get("node")
    if not wanted:
        return nodes_of(queue, site)
    known = nameable(queue, site)
    if wanted not in known:
        msg = (
            f"{SECTION}/node is {wanted!r}, which does not serve the queue {queue}: "
            f"name one of {', '.join(known)}, or none."
        )
        raise WantsError(msg)
    return (wanted,)


def _count(parameters: Mapping[str, str]) -> int | None:
    text = parameters.get("gpus", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > MOST_GPUS:
        msg = (
            f"{SECTION}/gpus is {text[:40]!r}: write a number from 0 to {MOST_GPUS}, "
            "or nothing for the queue's default."
        )
        raise WantsError(msg)
    return int(text)


def _memory(parameters: Mapping[str, str]) -> int:
    text = parameters.get("gpu_min_memory_gib", "")
    value = _number(text) if text else 0.0
    if value is None:
        msg = (
            f"{SECTION}/gpu_min_memory_gib is {text[:40]!r}: write a number of GiB, "
            "or nothing."
        )
        raise WantsError(msg)
    return int(value * GIB)


def _limit(parameters: Mapping[str, str]) -> int | None:
    """Give the time limit with a margin; what is no number the runner refuses."""
    value = _number(parameters.get("time_limit_seconds", ""))
    return int(value) + END_MARGIN_SECONDS if value else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def rank_of(queue: str, site: Site) -> int:
    """Give how urgent a queue's jobs are; smaller is sooner."""
    declared = _declared(queue, site)
    return 0 if declared is None else declared.priority.rank


def _declared(queue: str, site: Site) -> Queue | None:
    return next((one for one in site.queues if one.name == queue), None)
