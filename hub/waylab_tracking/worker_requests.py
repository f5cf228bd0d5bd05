"""What workers and those who ask for their figures send: see `requests`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from waylab_tracking.requests import Entry, Request


class Properties(Request):
    """A worker's runtime properties."""

    runtime_properties: list[Entry]


class Report(Request):
    """What a worker tells of itself."""

    queues: list[str] | None = None
    timeout: int | None = None
    last_seen: float | None = None
    worker_pattern: str | None = None
    machine_stats: dict[str, Any] | None = None


class Workers(Request):
    """Which workers."""

    last_seen: float | None = Field(default=None, ge=0)
    worker_pattern: str | None = None

    @field_validator("last_seen", mode="before")
    @classmethod
    def _none_is_zero(cls, value: Any) -> Any:
        # ClearML takes the word for "however long ago".
        return 0 if value == "none" else value


class ClusterReport(Request):
    """What a worker tells of a cluster."""

    key: str | None = None
    timeout: int | None = None
    partial: bool | None = None
    properties: dict[str, Any] | None = None
    resource_groups: Any = None


class Window(Request):
    """From when to when, in seconds since 1970, by what interval."""

    from_date: float
    to_date: float
    interval: int = Field(ge=1, le=1_000_000_000)


class FigureItem(BaseModel):
    """A metric of workers and how to aggregate it."""

    key: str
    category: Literal["avg", "min", "max"] = "avg"


class MetricKeys(Request):
    """Which workers' metrics."""

    worker_ids: list[str] | None = None


class WorkerFigures(Window):
    """Which figures of which workers."""

    items: list[FigureItem]
    split_by_variant: bool | None = None
    worker_ids: list[str] | None = None


class QueueFigures(Window):
    """Which queues' figures."""

    queue_ids: list[str] | None = None
    refresh: bool | None = None


class Serving(Request):
    """What a container that serves a model tells of itself."""

    container_id: str
    endpoint_name: str | None = None
    endpoint_url: str | None = None
    model_name: str | None = None
    tags: Any = None
    system_tags: Any = None
    requests_num: float | None = None
    requests_min: float | None = None
    uptime_sec: float | None = None
    latency_ms: float | None = None
    machine_stats: dict[str, Any] | None = None


class Routes(Request):
    """Which routes."""
