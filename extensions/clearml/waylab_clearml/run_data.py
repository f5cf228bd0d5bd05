"""What a run has reported: curves, numbers, console messages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from waylab_clearml.client import Client
from waylab_clearml.errors import BadRequest

MAX_BATCH = 10_000


@dataclass(frozen=True)
class LogLine:
    """A console message as reported: may hold several lines of text."""

    time: datetime
    text: str
    level: str = ""


@dataclass(frozen=True)
class LogPage:
    """Messages in order; pass `cursor` as `after` to get what came later.

    `complete` tells that, at the time of asking, nothing further was there.
    """

    lines: tuple[LogLine, ...]
    cursor: str
    complete: bool


@dataclass(frozen=True)
class Series:
    """One curve: `metric` is the chart, `variant` the curve's name on it."""

    metric: str
    variant: str
    x: tuple[float, ...]
    y: tuple[float, ...]


def scalars(client: Client, run_id: str) -> tuple[Series, ...]:
    """Give the curves that a run has reported so far."""
    data = client.call(
        "events.scalar_metrics_iter_histogram", {"task": run_id, "key": "iter"}
    )
    return tuple(
        Series(
            metric=metric,
            variant=variant,
            x=tuple(float(x) for x in curve.get("x") or ()),
            y=tuple(_number(y) for y in curve.get("y") or ()),
        )
        for metric, variants in sorted(data.items())
        if isinstance(variants, dict)
        for variant, curve in sorted(variants.items())
    )


def single_values(client: Client, run_id: str) -> dict[str, float]:
    """Give the single numbers that a run has reported (`report_single_value`)."""
    data = client.call("events.get_task_single_value_metrics", {"tasks": [run_id]})
    found: dict[str, float] = {}
    for task in data.get("tasks") or ():
        for value in task.get("values") or ():
            name = str(value.get("variant") or value.get("metric") or "")
            found[name] = _number(value.get("value"))
    return found


def read_log(
    client: Client, run_id: str, *, after: str | None = None, limit: int = 1000
) -> LogPage:
    """Give up to about `limit` messages after a cursor (None: from the beginning).

    Raises:
        BadRequest: the cursor is not one that this function gave.
    """
    cursor = _Cursor.read(after)
    body: dict[str, Any] = {
        "task": run_id,
        "navigate_earlier": False,
        "order": "asc",
        "batch_size": min(limit + cursor.seen, MAX_BATCH),
    }
    if cursor.timestamp is not None:
        # From just before: whether the bound itself belongs to the answer is not
        # promised, and several messages may bear one time.
        body["from_timestamp"] = cursor.timestamp - 1
    while True:
        events = client.call("events.get_task_log", body).get("events") or []
        fresh = cursor.fresh(events)
        full = len(events) >= body["batch_size"]
        if fresh or not full or body["batch_size"] >= MAX_BATCH:
            break
        body["batch_size"] = min(body["batch_size"] * 4, MAX_BATCH)
    lines = tuple(
        LogLine(
            time=datetime.fromtimestamp(_stamp(event) / 1000, UTC),
            text=str(event.get("msg") or ""),
            level=str(event.get("level") or ""),
        )
        for event in fresh
    )
    return LogPage(lines, cursor.after(fresh).text(), complete=not full)


@dataclass(frozen=True)
class _Cursor:
    """The last message's time, and how many messages of that very time were read."""

    timestamp: int | None = None
    seen: int = 0

    @classmethod
    def read(cls, text: str | None) -> _Cursor:
        if not text:
            return cls()
        timestamp, _, seen = text.partition(".")
        if not timestamp.isdecimal() or not seen.isdecimal():
            msg = f"{text!r} is not a cursor of this log."
            raise BadRequest(msg, endpoint="events.get_task_log")
        return cls(int(timestamp), int(seen))

    def text(self) -> str:
        return "" if self.timestamp is None else f"{self.timestamp}.{self.seen}"

    def fresh(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        events = sorted(events, key=_stamp)
        if self.timestamp is None:
            return events
        same = [event for event in events if _stamp(event) == self.timestamp]
        later = [event for event in events if _stamp(event) > self.timestamp]
        return same[self.seen :] + later

    def after(self, fresh: list[dict[str, Any]]) -> _Cursor:
        if not fresh:
            return self
        last = _stamp(fresh[-1])
        count = sum(1 for event in fresh if _stamp(event) == last)
        return _Cursor(last, count + (self.seen if last == self.timestamp else 0))


def _stamp(event: dict[str, Any]) -> int:
    return int(event.get("timestamp") or event.get("@timestamp") or 0)


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return math.nan
