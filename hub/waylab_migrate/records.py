"""Which fields of tasks, models and events are copied, and how they are compared."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from waylab_migrate.remote import Json

MARK = "migrated:"
LOG, SCALAR = "log", "training_stats_scalar"
KINDS = (LOG, SCALAR, "plot", "training_debug_image", "training_stats_vector")
TASK_PARTS = ("script", "hyperparams", "configuration", "container", "models")
MODEL_PARTS = ("framework", "labels", "design", "uri")
EVENT_FIELDS = {
    LOG: ("msg", "level", "worker", "timestamp"),
    SCALAR: ("metric", "variant", "iter", "value", "timestamp"),
}
# What a server adds to an event, or a client to each line of a batch.
PASSING = frozenset(
    {"_id", "@timestamp", "method", "allow_locked", "model_event", "company", "task"}
)


def marked(source: str) -> str:
    """Give the system tag that tells where a copy came from."""
    return f"{MARK}{source}"


def labels(doc: Json) -> Json:
    """Give the fields of a task or model that its creation takes."""
    tags = [tag for tag in doc.get("system_tags") or [] if not tag.startswith(MARK)]
    return {
        "name": doc["name"],
        "comment": doc.get("comment") or "",
        "tags": doc.get("tags") or [],
        "system_tags": tags,
    }


def task_parts(doc: Json) -> Json:
    """Give the parts of a task that an edit takes."""
    parts = {name: doc.get(name) or {} for name in TASK_PARTS}
    execution = {
        name: value
        for name, value in (doc.get("execution") or {}).items()
        if name != "queue" and value not in (None, {}, [])
    }
    parts["models"] = {
        side: [
            {"name": one["name"], "model": one["model"]}
            for one in parts["models"].get(side) or []
        ]
        for side in ("input", "output")
    }
    runtime = {
        name: value
        for name, value in (doc.get("runtime") or {}).items()
        if not name.startswith("migrated_")
    }
    return {**parts, "execution": execution, "runtime": runtime}


def event(one: Json) -> Json:
    """Give an event without what its server added."""
    fields = EVENT_FIELDS.get(str(one.get("type")))
    if fields:
        return {name: one[name] for name in fields if one.get(name) is not None}
    return {name: one[name] for name in one if name not in PASSING | {"worker"}}


class Sum:
    """A count and a hash of things in any order."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.count = 0
        self._sum = 0

    def add(self, thing: Any) -> None:
        """Count one JSON value in."""
        text = json.dumps(thing, sort_keys=True).encode()
        number = int.from_bytes(hashlib.sha256(text).digest())
        self._sum = (self._sum + number) % (1 << 256)
        self.count += 1

    def told(self) -> tuple[int, str]:
        """Give the count and the hash."""
        return self.count, f"{self._sum:064x}"
