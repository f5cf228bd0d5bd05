"""What the nodes of a queue have to offer, as the board writes it into the queue.

The board alone knows what labs and jobs hold. It keeps one metadata item in each queue
that it serves (`queues.add_or_update_metadata`), so that whoever may read queues can
tell people what to expect, without a way to the board.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from waylab_clearml.errors import GpusError
from waylab_clearml.options import (
    GPU_MIN_MEMORY,
    GPU_MODEL,
    GPUS,
    MIG_PROFILE,
    NODE,
    GpuWish,
)

GIB = 1 << 30
KEY = "waylab_offer"
FORMAT = 1
RENEWED_SECONDS = 60.0
"""The board writes an offer that has not changed this often."""
FRESH_SECONDS = 300.0
"""An older offer is of a board that is away; clocks may differ a little."""


@dataclass(frozen=True)
class GpuOffer:
    """Equal GPUs of one node: `free` of `count` are held by nobody.

    With a `mig_profile` they are slices of that profile, and `model` is what they are
    cut from; a GPU that is cut is not offered itself.
    """

    node: str
    model: str
    memory_bytes: int
    count: int
    free: int
    simulated: bool = False
    mig_profile: str = ""

    @property
    def what(self) -> str:
        """Name one of them: `NVIDIA A100`, `slice 1g.10gb of NVIDIA A100`."""
        return (
            f"slice {self.mig_profile} of {self.model}"
            if self.mig_profile
            else self.model
        )


@dataclass(frozen=True)
class NodeOffer:
    """A node that a job of the queue may name, and what it then gets by default.

    `known` is False while the node has never told what it has.
    """

    name: str
    default_gpus: int = 0
    cpu_slots: int = 0
    known: bool = True


@dataclass(frozen=True)
class Offer:
    """A queue's `free_slots` of `slots` places for jobs that ask for nothing special.

    `default_gpus` is what such a job gets. `gpus`, and `cpu_slots` without one, are
    those of all `nodes` that serve the queue, whether or not they answer now. `nodes`
    is empty where the board does not tell.
    """

    slots: int
    free_slots: int
    default_gpus: int = 0
    cpu_slots: int = 0
    gpus: tuple[GpuOffer, ...] = ()
    nodes: tuple[NodeOffer, ...] = ()

    def check(self, wish: GpuWish) -> None:
        """Refuse a wish that makes sense, but that no node of the queue can ever serve.

        Raises:
            GpusError: with the option at fault, and what there is.
        """
        named = self._named(wish.node)
        concerned = self.nodes if named is None else (named,)
        if not all(node.known for node in concerned):
            return
        default = self.default_gpus if named is None else named.default_gpus
        count = default if wish.count is None else wish.count
        if count > 0:
            self._check_gpus(wish, count)
        elif wish.kinds:
            msg = "Say how many GPUs: this queue gives none to a job that does not."
            raise GpusError(msg, field=GPUS)
        elif named is not None and named.cpu_slots == 0:
            msg = f"The node {named.name} has no slots for jobs without a GPU."
            raise GpusError(msg, field=GPUS if wish.count == 0 else NODE)
        elif wish.count == 0 and self.cpu_slots == 0:
            msg = "The nodes of this queue have no slots for jobs without a GPU."
            raise GpusError(msg, field=GPUS)

    def _named(self, name: str | None) -> NodeOffer | None:
        if not name or not self.nodes:
            return None
        for node in self.nodes:
            if node.name == name:
                return node
        names = ", ".join(node.name for node in self.nodes)
        msg = f"The node {name!r} does not serve this queue: name one of {names}."
        raise GpusError(msg, field=NODE)

    def _check_gpus(self, wish: GpuWish, count: int) -> None:
        """Leave out what does not fit, wish by wish; one that leaves none is wrong."""
        several = "" if count == 1 else "s"
        profile = wish.mig_profile or ""
        words = f"slice{several} {profile}" if profile else f"GPU{several}"
        whole = "" if profile else "whole "
        left = [one for one in self.gpus if one.mig_profile == profile]
        if profile or self.gpus:
            self._need(left, f"This queue has no {whole}{words}.", MIG_PROFILE)
        if wish.model:
            part = wish.model.casefold()
            words += f" of the model {wish.model!r}"
            left = [one for one in left if part in one.model.casefold()]
            self._need(left, f"This queue has no {words}.", GPU_MODEL)
        if wish.min_memory_gib:
            least = int(wish.min_memory_gib * GIB)
            words += f" with {wish.min_memory_gib:g} GiB or more"
            left = [one for one in left if one.memory_bytes >= least]
            self._need(left, f"This queue has no {words}.", GPU_MIN_MEMORY)
        if wish.node:
            left = [one for one in left if one.node == wish.node]
            self._need(left, f"The node {wish.node} has no {words}.", NODE)
        # A node may lose its GPUs for a moment: what asks for nothing waits for them.
        if count > _most(left) and wish != GpuWish():
            none = (
                f"The node {wish.node} does not have"
                if wish.node
                else "No node of this queue has"
            )
            msg = f"{none} {count} {words}. {self._has()}"
            raise GpusError(msg, field=GPUS)

    def _need(self, left: Sequence[GpuOffer], message: str, field: str) -> None:
        if not left:
            msg = f"{message} {self._has()}"
            raise GpusError(msg, field=field)

    def _has(self) -> str:
        if not self.gpus:
            return "Its nodes have none."
        has = (
            f"{one.node}: {one.count} x {one.what} ({one.memory_bytes / GIB:.4g} GiB)"
            for one in self.gpus
        )
        return f"There is: {'; '.join(has)}."


def as_item(offer: Offer, now: datetime) -> dict[str, str]:
    """Give the metadata item to write; `now` is aware."""
    value = {"format": FORMAT, "at": now.astimezone(UTC).isoformat(), **asdict(offer)}
    text = json.dumps(value, separators=(",", ":"))
    return {"key": KEY, "type": "json", "value": text}


def offer_in(queue: Mapping[str, Any], now: datetime) -> Offer | None:
    """Give the offer in a queue's document; None if there is none that still counts."""
    try:
        value = json.loads(queue["metadata"][KEY]["value"])
        at = datetime.fromisoformat(value["at"])
        if value["format"] != FORMAT or abs(now - at) > _FRESH:
            return None
        offer = Offer(
            slots=_count(value["slots"]),
            free_slots=_count(value["free_slots"]),
            default_gpus=_count(value["default_gpus"]),
            cpu_slots=_count(value["cpu_slots"]),
            gpus=tuple(_gpus(one) for one in value["gpus"]),
            nodes=tuple(_node(one) for one in value.get("nodes", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return replace(offer, free_slots=min(offer.free_slots, offer.slots))


_FRESH = timedelta(seconds=FRESH_SECONDS)


def _gpus(value: Mapping[str, Any]) -> GpuOffer:
    return GpuOffer(
        node=str(value["node"]),
        model=str(value["model"]),
        memory_bytes=_count(value["memory_bytes"]),
        count=_count(value["count"]),
        free=_count(value["free"]),
        simulated=value.get("simulated") is True,
        mig_profile=str(value.get("mig_profile", "")),
    )


def _node(value: Mapping[str, Any]) -> NodeOffer:
    return NodeOffer(
        name=str(value["name"]),
        default_gpus=_count(value["default_gpus"]),
        cpu_slots=_count(value["cpu_slots"]),
        known=value["known"] is True,
    )


def _most(offers: Iterable[GpuOffer]) -> int:
    """Give the largest number of them that one node has."""
    found: dict[str, int] = defaultdict(int)
    for one in offers:
        found[one.node] += one.count
    return max(found.values(), default=0)


def _count(value: object) -> int:
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        msg = f"{value!r} is no count"
        raise ValueError(msg)
    return int(value)
