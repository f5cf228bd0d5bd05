from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.waylab_tracking.door import Door

from waylab_tracking.database import Database, popped
from waylab_tracking.services import waiting
from waylab_tracking.testing import Server

ON_POSTGRES = True


@pytest.fixture
def queue(server: Server) -> Iterator[str]:
    """Give a fresh queue."""
    made = server.call("queues.create", {"name": f"queue {time.monotonic_ns()}"})
    yield str(made["id"])
    server.call("queues.delete", {"queue": made["id"], "force": True})


def enqueue(door: Door, queue: str, count: int) -> list[str]:
    tasks = [door.task(f"task {number}") for number in range(count)]
    for task in tasks:
        door.call("tasks.enqueue", task=task, queue=queue)
    return tasks


def line(door: Door, queue: str) -> list[str]:
    entries = door.call("queues.get_by_id", queue=queue)["queue"]["entries"]
    return [entry["task"] for entry in entries]


def test_a_queue_keeps_strict_order(ann: Door, queue: str) -> None:
    tasks = enqueue(ann, queue, 20)

    listed = ann.call("queues.get_all", id=[queue])["queues"][0]["entries"]

    assert line(ann, queue) == tasks
    assert [entry["task"] for entry in listed] == tasks
    assert ann.call("queues.get_num_entries", queue=queue) == {"num": 20}


def test_tasks_are_moved_within_their_queue(ann: Door, queue: str) -> None:
    a, b, c, d = enqueue(ann, queue, 4)

    ann.call("queues.move_task_to_front", queue=queue, task=c)
    front = line(ann, queue)
    ann.call("queues.move_task_to_back", queue=queue, task=a)
    back = line(ann, queue)
    ann.call("queues.move_task_forward", queue=queue, task=a, count=2)
    forward = line(ann, queue)
    ann.call("queues.move_task_backward", queue=queue, task=c, count=9)

    assert (front, back) == ([c, a, b, d], [c, b, d, a])
    assert (forward, line(ann, queue)) == ([c, a, b, d], [a, b, d, c])


def test_of_many_claimers_one_gets_the_task(
    server: Server, ann: Door, agent: Door, queue: str
) -> None:
    [task] = enqueue(ann, queue, 1)

    def claim(_: int) -> int:
        return int(agent.call("queues.remove_task", queue=queue, task=task)["removed"])

    with ThreadPoolExecutor(8) as pool:
        removed = list(pool.map(claim, range(24)))

    assert sorted(removed) == [0] * 23 + [1]
    assert ann.call("tasks.get_by_id", task=task)["task"]["status"] == "queued"


def test_of_many_poppers_each_gets_another_task(
    ann: Door, admin: Door, queue: str
) -> None:
    tasks = enqueue(ann, queue, 12)

    def pop(_: int) -> str:
        return str(admin.call("queues.get_next_task", queue=queue)["entry"]["task"])

    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(pop, range(12)))

    assert sorted(got) == sorted(tasks)
    assert admin.call("queues.get_next_task", queue=queue) == {}


def test_a_claim_is_undone_to_the_front(ann: Door, agent: Door, queue: str) -> None:
    first, second = enqueue(ann, queue, 2)
    agent.call("queues.remove_task", queue=queue, task=first)

    agent.call("queues.add_task", queue=queue, task=first)
    agent.call("queues.move_task_to_front", queue=queue, task=first)
    again = agent.refused("queues.add_task", queue=queue, task=first)

    assert line(ann, queue) == [first, second]
    assert again == (400, 706)


def test_only_a_waiting_task_is_put_into_a_queue_by_hand(ann: Door, queue: str) -> None:
    task = ann.task()

    assert ann.refused("queues.add_task", queue=queue, task=task) == (400, 110)
    refused = ann.refused("queues.move_task_to_front", queue=queue, task=task)
    assert refused == (400, 703)


def test_a_deleted_queue_leaves_drafts_behind(server: Server, ann: Door) -> None:
    queue = server.call("queues.create", {"name": "short-lived"})["id"]
    [task] = enqueue(ann, queue, 1)
    system = Door(server, server.system)

    refused = system.refused("queues.delete", queue=queue)
    system.call("queues.delete", queue=queue, force=True)
    system.close()

    assert refused == (400, 705)
    assert ann.call("tasks.get_by_id", task=task)["task"]["status"] == "created"


def test_two_queues_have_two_names(server: Server, admin: Door) -> None:
    assert admin.refused("queues.create", name="default") == (400, 801)
    assert {"default", "services"} <= {
        queue["name"] for queue in admin.call("queues.get_all")["queues"]
    }


async def test_a_popped_task_that_nobody_begins_waits_again_in_front(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "tracking.sqlite")

    def pop(db: sa.Connection) -> list[str]:
        _given_queue(db, "q", ["first", "second"])
        waiting.pop(db, "first", "q")
        return [entry["task"] for entry in waiting.in_order(db, "q")]

    def later(db: sa.Connection, seconds: float) -> tuple[list[str], list[str]]:
        given = waiting.give_back_overdue(db, time.time() + seconds)
        return given, [entry["task"] for entry in waiting.in_order(db, "q")]

    assert await database.run(pop) == ["second"]
    assert await database.run(lambda db: later(db, 30)) == ([], ["second"])
    due = await database.run(lambda db: later(db, 61))
    assert due == (["first"], ["first", "second"])
    assert await database.run(lambda db: later(db, 120)) == ([], ["first", "second"])
    database.close()


async def test_a_task_claimed_after_a_pop_does_not_come_back(tmp_path: Path) -> None:
    database = Database(tmp_path / "tracking.sqlite")

    def claim(db: sa.Connection) -> int:
        _given_queue(db, "q", ["first"])
        waiting.pop(db, "first", "q")
        waiting.append(db, {"id": "q"}, "first")
        return waiting.remove(db, "first", "q")

    def later(db: sa.Connection) -> tuple[list[str], int]:
        given = waiting.give_back_overdue(db, time.time() + 120)
        return given, len(db.execute(sa.select(popped)).all())

    assert await database.run(claim) == 1
    assert await database.run(later) == ([], 0)
    database.close()


def _given_queue(db: sa.Connection, queue: str, names: list[str]) -> None:
    from waylab_tracking.database import queues, tasks  # noqa: PLC0415

    db.execute(queues.insert().values(id=queue, name=queue, doc={"id": queue}))
    for name in names:
        row = {"id": name, "project": "", "user": "u", "status": "queued"}
        db.execute(tasks.insert().values(**row, created="", head={}, doc={}))
        waiting.append(db, {"id": queue}, name)


def test_workers_tell_what_they_serve_and_do(
    ann: Door, agent: Door, queue: str
) -> None:
    [task] = enqueue(ann, queue, 1)
    agent.call("workers.register", worker="node:cpu0", queues=[queue])
    agent.call("queues.remove_task", queue=queue, task=task)
    agent.call("tasks.started", task=task)
    agent.call(
        "workers.status_report",
        worker="node:cpu0",
        queues=[queue],
        task=task,
        timestamp=1,
        tags=None,
        machine_stats={"cpu_usage": [1.5]},
    )

    found = ann.call("workers.get_all", worker_pattern="node:*")["workers"]
    doc = ann.call("tasks.get_by_id", task=task)["task"]
    agent.call("workers.unregister", worker="node:cpu0")

    [worker] = found
    assert worker["queues"][0]["id"] == queue
    assert worker["queues"][0]["name"].startswith("queue ")
    assert worker["task"]["id"] == task
    assert doc["last_worker"] == "node:cpu0"
    assert ann.call("workers.get_all")["workers"] == []


def test_an_unwatched_queue_is_told_at_enqueue(
    ann: Door, agent: Door, queue: str
) -> None:
    alone = ann.call("tasks.enqueue", task=ann.task(), queue=queue)
    agent.call("workers.register", worker="node:cpu1", queues=[queue])
    watched = ann.call("tasks.enqueue", task=ann.task(), queue=queue)
    agent.call("workers.unregister", worker="node:cpu1")

    assert (alone["queue_watched"], watched["queue_watched"]) == (False, True)
    assert alone["fields"]["execution.queue"] == queue
