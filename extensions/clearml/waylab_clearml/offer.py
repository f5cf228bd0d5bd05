"""What the nodes of a queue have to offer, as the board writes it into the queue.

The board alone knows what labs and jobs hold. It keeps one metadata item in each queue
that it serves (`queues.add_or_update_metadata`), so that whoever may read queues can
tell people what to expect, without a way to the board.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from waylab_clearml.errors import GpusError

KEY = "waylab_offer"
FORMAT = 1
RENEWED_SECONDS = 60.0
"""The board writes an offer that has not changed this often."""
FRESH_SECONDS = 300.0
"""An older offer is of a board that is away; clocks may differ a little."""


@dataclass(frozen=True)
class GpuOffer:
    """Equal GPUs of one node: `free` of `count` are held by nobody."""

    node: str
    model: str
    memory_bytes: int
    count: int
    free: int
    simulated: bool = False


@dataclass(frozen=True)
class Offer:
    """A queue's `free_slots` of `slots` places for jobs that ask for nothing special.

    `default_gpus` is what such a job gets. `gpus`, and `cpu_slots` without one, are
    those of all nodes that serve the queue, whether or not they answer now.
    """

    slots: int
    free_slots: int
    default_gpus: int = 0
    cpu_slots: int = 0
    gpus: tuple[GpuOffer, ...] = ()

    def most(self, model: str | None = None) -> int:
        """Give the largest number of GPUs of a kind (None: any) that one node has."""
        found: dict[str, int] = {}
        for one in self.gpus:
            if model is None or model.casefold() in one.model.casefold():
                found[one.node] = found.get(one.node, 0) + one.count
        return max(found.values(), default=0)

    def check(self, gpus: int | None, model: str | None) -> None:
        """Refuse a wish that no node of the queue can ever serve.

        Raises:
            GpusError: with the field at fault, and what there is.
        """
        if model and gpus == 0:
            msg = f"No GPUs are asked for, so none can be a {model!r}."
            raise GpusError(msg, field="gpu_model")
        if model and self.most(model) == 0:
            msg = f"No GPU of this queue is a {model!r}. {self._has()}"
            raise GpusError(msg, field="gpu_model")
        if gpus == 0 and self.cpu_slots == 0:
            msg = "The nodes of this queue have no slots for jobs without a GPU."
            raise GpusError(msg, field="gpus")
        if model and gpus is None and self.default_gpus == 0:
            msg = "Say how many GPUs: this queue gives none to a job that does not."
            raise GpusError(msg, field="gpus")
        if (gpus or 0) > self.most(model or None):
            kind = f" of the model {model!r}" if model else ""
            msg = f"No node of this queue has {gpus} GPUs{kind}. {self._has()}"
            raise GpusError(msg, field="gpus")

    def _has(self) -> str:
        if not self.gpus:
            return "Its nodes have none."
        has = (f"{one.node}: {one.count} x {one.model}" for one in self.gpus)
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
    )


def _count(value: object) -> int:
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        msg = f"{value!r} is no count"
        raise ValueError(msg)
    return int(value)
