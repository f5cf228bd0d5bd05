"""What workers used and how long tasks waited, over time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.waylab_tracking.door import Door

from waylab_tracking import history
from waylab_tracking.database import (
    Database,
    entries,
    queue_figures,
    worker_figures,
)
from waylab_tracking.services import queue_figures as waits
from waylab_tracking.services import worker_figures as usage

NOW = 1_699_999_200  # A full hour.
CPU = {"cpu_usage": [10.0, 30.0], "memory_used": 512, "disk_free_home": None}
# What is no figure is left out, whatever a worker sends.
ODD = {"Bad Name": 1, "text": "x", "nested": {"a": 1}, "cpu_usage": [True, "y"]}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tracking.sqlite")
    yield database
    database.close()


@pytest.fixture
def worker(agent: Door) -> Iterator[Callable[..., str]]:
    """Let a worker report; it goes at the end."""
    known = set()

    def report(name: str, **told: Any) -> str:
        agent.call("workers.status_report", worker=name, timestamp=1, **told)
        known.add(name)
        return name

    yield report
    for name in known:
        agent.call("workers.unregister", worker=name)


def lately(**more: Any) -> dict[str, Any]:
    return {"from_date": time.time() - 60, "to_date": time.time() + 1, **more}


def stats(door: Door, worker: str, *items: tuple[str, str], **more: Any) -> Any:
    wanted = [{"key": key, "category": category} for key, category in items]
    body = lately(interval=3600, items=wanted, worker_ids=[worker], **more)
    return door.call("workers.get_stats", **body)["workers"]


def test_what_a_worker_used_is_told_by_interval(
    ann: Door, worker: Callable[..., str]
) -> None:
    name = worker("node:one", machine_stats={**CPU, **{"gpu_usage": []}})
    worker("node:one", machine_stats={"cpu_usage": [20.0, 60.0], "memory_used": 256})
    worker("node:other", machine_stats=ODD)

    items = [("cpu_usage", kind) for kind in ("avg", "min", "max")]
    [one] = stats(ann, name, *items, ("memory_used", "avg"))
    [split] = stats(ann, name, ("cpu_usage", "max"), split_by_variant=True)

    figures = {
        (metric["metric"], each["aggregation"]): each["values"]
        for metric in one["metrics"]
        for each in metric["stats"]
    }
    assert one["worker"] == name
    assert figures == {
        ("cpu_usage", "avg"): [30.0],
        ("cpu_usage", "min"): [10.0],
        ("cpu_usage", "max"): [60.0],
        ("memory_used", "avg"): [384.0],
    }
    assert [
        (metric["variant"], metric["stats"][0]["values"]) for metric in split["metrics"]
    ] == [("0", [20.0]), ("1", [60.0])]
    keys = ann.call("workers.get_metric_keys", worker_ids=[name])["categories"]
    assert keys == [
        {"name": "cpu", "metric_keys": ["cpu_usage"]},
        {"name": "memory", "metric_keys": ["memory_used"]},
    ]
    assert stats(ann, "node:other", ("text", "avg")) == [
        {"worker": "node:other", "metrics": []}
    ]


def test_workers_that_are_there_and_that_work_are_counted(
    ann: Door, agent: Door, worker: Callable[..., str]
) -> None:
    def counts() -> dict[str, int]:
        told = ann.call("workers.get_activity_report", **lately(interval=3600))
        return {name: sum(one["counts"]) for name, one in told.items()}

    before = counts()
    worker("node:idle")
    task, queue = ann.task(), ann.call("queues.get_default")["id"]
    ann.call("tasks.enqueue", task=task, queue=queue)
    agent.call("queues.remove_task", task=task, queue=queue)
    worker("node:busy", task=task)
    after = counts()

    assert after["total"] - before["total"] == 2
    assert after["active"] - before["active"] == 1


@pytest.mark.parametrize(
    "window",
    [
        {"from_date": 2, "to_date": 1, "interval": 1},
        {"from_date": 0, "to_date": 1_000_000, "interval": 1},
        {"from_date": 0, "to_date": 10, "interval": 0},
        {"from_date": "NaN", "to_date": "Infinity", "interval": 1},
        {"from_date": 0, "to_date": 10},
    ],
)
@pytest.mark.parametrize(
    "endpoint", ["workers.get_activity_report", "queues.get_queue_metrics"]
)
def test_a_window_without_end_is_refused(
    ann: Door, endpoint: str, window: dict[str, Any]
) -> None:
    assert ann.refused(endpoint, **window) == (400, 800)


async def test_figures_of_long_ago_are_coarse_and_at_last_gone(
    database: Database,
) -> None:
    def fill(db: sa.Connection) -> None:
        for second in range(0, 1200, 30):
            told = {"cpu_usage": float(second)}
            usage.record(db, "node", told, busy=False, at=NOW + second)

    def kept(seconds: float, db: sa.Connection) -> dict[int, int]:
        history.prune(db, worker_figures, NOW + seconds)
        columns = worker_figures.c
        counted = sa.select(columns.span, sa.func.count()).group_by(columns.span)
        return {row[0]: row[1] for row in db.execute(counted)}

    await database.run(fill)
    spans = [tier.span for tier in history.TIERS]
    fresh = await database.run(partial(kept, 1200))
    later = []
    for tier in history.TIERS:
        end = tier.kept + 1200
        later.append(await database.run(partial(kept, end)))

    assert list(fresh) == spans
    assert fresh[spans[0]] == 40
    assert fresh[spans[1]] <= 3
    assert [list(one) for one in later] == [spans[1:], spans[2:], []]


@given(
    st.integers(1, 100 * history.DAY),
    st.integers(1, history.DAY),
    st.integers(0, 100 * history.DAY),
)
def test_each_bucket_has_a_date_of_the_window(
    length: int, interval: int, ago: int
) -> None:
    window = history.Window(NOW - ago, NOW - ago + length, interval)
    tier = window.tier(NOW)

    first, later = tier.start(window.begin), tier.start(window.begin + interval / 2)
    assert window.date(first) == window.begin
    assert window.date(later) <= max(later, window.begin)
    assert later < window.date(later) + interval
    assert tier.span <= interval or tier == min(
        (one for one in history.TIERS if ago <= one.kept),
        key=lambda one: one.span,
        default=history.TIERS[-1],
    )


async def test_the_longest_wait_of_an_interval_is_kept(database: Database) -> None:
    def waiting(db: sa.Connection) -> list[tuple[float, int]]:
        for task, since in (("a", NOW), ("b", NOW + 10)):
            place = {"queue": "q", "place": since, "added": "", "since": since}
            db.execute(entries.insert().values(task=task, **place))
        for second in (10, 20, 5):
            waits.record(db, "q", NOW + second)
        columns = queue_figures.c
        fine = columns.span == history.TIERS[0].span
        rows = db.execute(sa.select(columns.wait, columns.length).where(fine))
        return [(row.wait, row.length) for row in rows]

    assert await database.run(waiting) == [(15.0, 2)]


def test_waits_are_told_by_queue_and_together(ann: Door, admin: Door) -> None:
    queue = admin.call("queues.create", name="a line to measure")["id"]
    empty = admin.call("queues.create", name="an empty line")["id"]
    for _ in range(2):
        ann.call("tasks.enqueue", task=ann.task(), queue=queue)
    admin.call("queues.get_next_task", queue=queue)

    body = lately(interval=3600, queue_ids=[queue, empty])
    told = ann.call("queues.get_queue_metrics", **body)["queues"]
    body = lately(interval=3600, refresh=True)
    [every] = ann.call("queues.get_queue_metrics", **body)["queues"]
    unknown = lately(interval=1, queue_ids=["0" * 32])

    measured, unused = told
    assert (measured["queue"], measured["queue_lengths"]) == (queue, [2])
    assert 0 < measured["avg_waiting_times"][0] < 60
    assert (unused["queue"], unused["dates"]) == (empty, [])
    assert every["queue"] == "all"
    assert len(every["dates"]) == len(every["avg_waiting_times"]) == 1
    assert ann.refused("queues.get_queue_metrics", **unknown) == (400, 701)


def test_of_a_long_line_no_more_entries_come_than_are_asked_for(
    ann: Door, admin: Door
) -> None:
    queue = admin.call("queues.create", name="a long line")["id"]
    tasks = [ann.task() for _ in range(3)]
    for task in tasks:
        ann.call("tasks.enqueue", task=task, queue=queue)

    one = ann.call("queues.get_by_id", queue=queue, max_task_entries=2)["queue"]
    [listed] = ann.call("queues.get_all", id=[queue], max_task_entries=1)["queues"]
    [whole] = ann.call("queues.get_all_ex", id=[queue])["queues"]

    assert [entry["task"] for entry in one["entries"]] == tasks[:2]
    assert [entry["task"] for entry in listed["entries"]] == tasks[:1]
    assert [entry["task"] for entry in whole["entries"]] == tasks


def test_a_list_of_workers_tells_what_they_do(
    ann: Door, admin: Door, agent: Door, worker: Callable[..., str]
) -> None:
    queue = admin.call("queues.create", name="served")["id"]
    project = ann.call("projects.create", name="worked on")["id"]
    running, waiting = ann.task(project=project), ann.task("the next one")
    ann.call("tasks.enqueue", task=running, queue=queue)
    agent.call("queues.remove_task", task=running, queue=queue)
    agent.call("tasks.started", task=running)
    ann.call("tasks.enqueue", task=waiting, queue=queue)
    name = worker("node:here", task=running, queue=queue, queues=[queue], tags=["big"])
    worker("node:there", queues=[queue], tags=["small"])

    [one] = ann.call("workers.get_all", tags=["big"])["workers"]
    others = ann.call("workers.get_all", tags=["-big"], last_seen=0)["workers"]
    count = ann.call("workers.get_count", tags=["big", "small"])

    line = {
        "id": queue,
        "name": "served",
        "next_task": {"id": waiting, "name": "the next one"},
        "num_tasks": 1,
    }
    assert (one["id"], one["queues"], one["queue"]) == (name, [line], line)
    assert one["project"] == {"id": project, "name": "worked on"}
    assert one["task"]["id"] == running
    assert 0 <= one["task"]["running_time"] < 60
    assert one["ip"] == "127.0.0.1"
    assert "node:there" in [each["id"] for each in others]
    assert count == {"count": 2}


def test_a_worker_whose_time_ran_out_is_not_listed(ann: Door, agent: Door) -> None:
    agent.call("workers.register", worker="node:brief", timeout=0)

    listed = ann.call("workers.get_all", last_seen=0)["workers"]
    agent.call("workers.unregister", worker="node:brief")

    assert "node:brief" not in [one["id"] for one in listed]


def test_a_cluster_is_told_and_forgotten(agent: Door) -> None:
    agent.call("workers.register", worker="k8s:one")

    told = {"key": "k8s", "properties": {"max_gpus": 4}, "partial": False}
    assert agent.call("workers.cluster_report", worker="k8s:one", **told) == {}
    assert agent.call("workers.cluster_unregister", key="k8s") == {}
    agent.call("workers.unregister", worker="k8s:one")

    assert agent.refused("workers.cluster_report", worker="k8s:one") == (400, 1001)
