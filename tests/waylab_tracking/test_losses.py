"""Jobs of which nothing is heard, and what is taken of those that were given up."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.waylab_tracking.door import Door

from waylab_tracking import faults
from waylab_tracking.pulse import RETURN_SECONDS, Pulse
from waylab_tracking.testing import Server, running_server

LOST, GIVEN_UP = 1.5, 5.0
RULES = {"again": {"action": "requeue", "requeues": 1}, "never": {"action": "fail"}}


@contextmanager
def impatient_server(
    state: Path, lost: float = LOST, given_up: float = GIVEN_UP, *, strict: bool = False
) -> Iterator[Server]:
    with running_server(
        state,
        lost_seconds=str(lost),
        give_up_seconds=str(given_up),
        on_lost=json.dumps(RULES),
        strict=str(strict),
    ) as server:
        yield server


class World:
    """A server of short patience, ann, and an agent of ours."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ann = Door(server, server.create_user("ann"))
        self.agent = Door(server, server.create_user("agent", "agent"))
        self.queues = {
            name: server.call("queues.create", {"name": name})["id"] for name in RULES
        }
        self._numbers = count()

    def close(self) -> None:
        self.ann.close()
        self.agent.close()

    def enqueue(self, queue: str) -> str:
        task = self.ann.task()
        self.ann.call("tasks.enqueue", task=task, queue=self.queues[queue])
        return task

    def start(self, task: str, queue: str, execution: str = "") -> str:
        """Have the agent start a task; give the token of its job."""
        self.agent.call("queues.remove_task", queue=self.queues[queue], task=task)
        execution = execution or f"execution-{next(self._numbers)}"
        self.as_execution(execution, "tasks.started", task=task).raise_for_status()
        return str(self.agent.call("waylab.job_token", task=task)["token"])

    def as_execution(self, execution: str, endpoint: str, /, **body: Any) -> Any:
        headers = {**self.agent.headers, "X-Waylab-Execution": execution}
        return self.agent.http.post(f"/{endpoint}", json=body, headers=headers)

    def from_host(self, host: str, endpoint: str, /, **body: Any) -> Any:
        headers = {**self.ann.headers, "X-ClearML-Worker": host}
        return self.ann.http.post(f"/{endpoint}", json=body, headers=headers)

    def get(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ann.call("tasks.get_by_id", task=task)["task"]
        return found

    def line(self, queue: str) -> list[str]:
        found = self.ann.call("queues.get_by_id", queue=self.queues[queue])["queue"]
        return [str(entry["task"]) for entry in found["entries"]]

    def wait(self, task: str, *status: str, meanwhile: Callable[[], Any] = int) -> Any:
        """Wait for a status of a task; give the task and the seconds that it took."""
        began = time.monotonic()
        while (doc := self.get(task))["status"] not in status:
            assert time.monotonic() - began < 20, doc
            meanwhile()
            time.sleep(0.05)
        return doc, time.monotonic() - began

    def outlive(self, signs: dict[str, Callable[[], Any]]) -> dict[str, str]:
        """Give signs of tasks for long enough; tell what status each has then."""
        ends = time.monotonic() + GIVEN_UP + 1.2
        while time.monotonic() < ends:
            for sign in signs.values():
                sign()
            time.sleep(0.1)
        return {task: str(self.get(task)["status"]) for task in signs}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with impatient_server(tmp_path_factory.mktemp("losses")) as server:
        world = World(server)
        yield world
        world.close()


def test_a_silent_job_is_seen_as_lost_and_then_fails_with_a_reason(
    world: World,
) -> None:
    task = world.enqueue("never")
    world.start(task, "never")
    seen: list[str] = []

    doc, took = world.wait(
        task, "failed", meanwhile=lambda: seen.append(world.get(task)["status_message"])
    )

    assert any(said.startswith("Lost: nothing was heard") for said in seen)
    assert GIVEN_UP <= took + 0.2 < GIVEN_UP + 3
    assert doc["status_reason"] == "agent-lost"
    assert doc["status_message"].startswith("Nothing was heard of the run or its agent")


def test_a_silent_job_goes_back_to_the_head_of_its_queue_a_few_times(
    world: World,
) -> None:
    task, other = world.enqueue("again"), world.enqueue("again")
    world.start(task, "again")
    scalar = {"type": "training_stats_scalar", "metric": "m", "variant": "v"}
    world.ann.call("events.add", **scalar, task=task, iter=7, value=1.0)
    world.ann.call("events.add", type="log", task=task, msg="so far\n")

    first, _ = world.wait(task, "queued")
    line = world.line("again")
    log = world.ann.call("events.get_task_log", task=task, order="asc")["events"]
    world.start(task, "again")
    second, _ = world.wait(task, "failed")
    world.ann.call("tasks.dequeue", task=other)

    assert line == [task, other]
    assert first["status_reason"] == "agent-lost"
    assert "it waits again (time 1 of 1)" in first["status_message"]
    assert (first["last_iteration"], first["last_metrics"]) == (0, {})
    assert log[0]["msg"] == "so far\n"
    assert log[1]["msg"].startswith("agent-lost: ")
    assert second["status_reason"] == "agent-lost"
    assert second["status_message"].endswith("It was lost 2 times.")


def test_what_is_heard_in_any_way_or_run_by_hand_is_not_lost(world: World) -> None:
    pinging, reporting, of_agent, by_hand = (world.enqueue("never") for _ in range(4))
    for task in (pinging, reporting, of_agent):
        world.start(task, "never")
    world.ann.call("tasks.dequeue", task=by_hand)
    world.ann.call("tasks.started", task=by_hand)
    event = {"type": "log", "msg": "x\n"}
    report = {"worker": "n:0", "timestamp": 1}
    signs: dict[str, Callable[[], Any]] = {
        pinging: lambda: world.ann.call("tasks.ping", task=pinging),
        reporting: lambda: world.ann.call("events.add", task=reporting, **event),
        of_agent: lambda: world.agent.call(
            "workers.status_report", task=of_agent, **report
        ),
        by_hand: int,
    }

    found = world.outlive(signs)
    for task in signs:
        world.ann.call("tasks.stopped", task=task)

    assert found == dict.fromkeys(signs, "in_progress")


def test_a_loss_that_the_agent_itself_tells_goes_by_the_same_rule(
    world: World,
) -> None:
    back, failed = world.enqueue("again"), world.enqueue("never")
    world.start(back, "again", "one")
    world.start(failed, "never", "two")
    body = {"status_reason": "agent-lost", "status_message": "Its processes are gone."}

    world.as_execution("one", "tasks.failed", task=back, **body).raise_for_status()
    world.as_execution("two", "tasks.failed", task=failed, **body).raise_for_status()
    late = world.as_execution("one", "tasks.failed", task=back, **body)
    found = [world.get(task) for task in (back, failed)]
    world.ann.call("tasks.dequeue", task=back)

    assert [one["status"] for one in found] == ["queued", "failed"]
    assert [one["status_reason"] for one in found] == ["agent-lost"] * 2
    assert found[0]["status_message"].startswith("Its processes are gone: it waits")
    assert found[1]["status_message"] == "Its processes are gone."
    assert late.status_code == 403


def test_a_lost_job_that_is_heard_again_is_lost_no_more(world: World) -> None:
    task = world.enqueue("never")
    world.start(task, "never")
    deadline = time.monotonic() + 10
    while not world.get(task)["status_message"].startswith("Lost"):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    found = world.outlive({task: lambda: world.ann.call("tasks.ping", task=task)})

    assert found == {task: "in_progress"}
    assert world.get(task)["status_message"] == ""
    world.ann.call("tasks.stopped", task=task)


def test_a_lost_job_that_was_asked_to_stop_has_stopped(world: World) -> None:
    task = world.enqueue("again")
    world.start(task, "again")
    world.ann.call("tasks.stop", task=task)

    doc, _ = world.wait(task, "stopped", "queued", "failed")

    assert (doc["status"], doc["status_reason"]) == ("stopped", "aborted")


def test_a_claim_of_which_nothing_comes_is_undone(world: World) -> None:
    task, queue = world.enqueue("never"), world.queues["never"]
    world.agent.call("queues.remove_task", queue=queue, task=task)
    file = world.server.state / "tracking.sqlite"
    with sqlite3.connect(file, timeout=10) as database:
        database.execute("update popped set until = 0")

    deadline = time.monotonic() + 10
    while task not in (line := world.line("never")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    world.ann.call("tasks.dequeue", task=task)

    assert line == [task]


def test_silence_is_counted_anew_when_the_server_was_away(tmp_path: Path) -> None:
    with impatient_server(tmp_path, 4, 6) as server:
        world = World(server)
        task = world.enqueue("never")
        world.start(task, "never")
        server.kill()
        time.sleep(6.2)
        server.start()
        began = time.monotonic()
        told = world.get(task)["status_message"]
        doc, _ = world.wait(task, "failed")
        took = time.monotonic() - began
        world.close()

    assert told == ""
    assert took > 4
    assert doc["status_reason"] == "agent-lost"


def test_the_official_clients_have_time_to_find_a_server_that_was_away() -> None:
    moment = [100.0]
    pulse = Pulse(lambda: moment[0])
    moment[0] += 100

    impatient = pulse.silence_seconds("t"), pulse.silence_seconds("t", patient=True)
    pulse.note("t")
    moment[0] += 30
    heard = pulse.silence_seconds("t"), pulse.silence_seconds("t", patient=True)

    assert impatient == (100, 100 - RETURN_SECONDS)
    assert heard == (30, 30)


def test_what_ends_a_round_does_not_end_all_of_them(tmp_path: Path) -> None:
    with impatient_server(tmp_path) as server:
        world = World(server)
        broken, task = world.enqueue("never"), world.enqueue("never")
        world.start(broken, "never")
        with sqlite3.connect(tmp_path / "tracking.sqlite", timeout=10) as database:
            database.execute("update tasks set doc = 'no JSON' where id = ?", [broken])
        time.sleep(GIVEN_UP + 0.5)
        world.start(task, "never")
        doc, _ = world.wait(task, "failed")
        log = server.log.read_text("utf-8")
        world.close()

    assert doc["status_reason"] == "agent-lost"
    assert "A round failed" in log


def given_up(world: World) -> tuple[str, Door, str]:
    """Give a task that was lost and runs again, the old job, and the new one's id."""
    task = world.enqueue("again")
    old = Door(world.server, ("", ""), world.start(task, "again", f"old-{task}"))
    assert old.post("tasks.ping", task=task).is_success
    world.wait(task, "queued")
    world.start(task, "again", f"new-{task}")
    return task, old, f"new-{task}"


def test_a_job_that_was_given_up_writes_nothing_any_more(world: World) -> None:
    task, old, _ = given_up(world)
    model = world.ann.call("models.create", name="a model", uri="x://y", task=task)
    writes: dict[str, dict[str, Any]] = {
        "events.add": {"type": "log", "msg": "late"},
        "tasks.ping": {},
        "tasks.completed": {},
        "tasks.failed": {"force": True},
        "tasks.edit": {"name": "renamed by the old"},
        "tasks.add_or_update_artifacts": {"artifacts": [{"key": "a", "type": "b"}]},
        "models.edit": {"model": model["id"], "name": "late"},
        "models.create": {"name": "late", "uri": "x://z"},
        "auth.login": {},
    }
    before = world.get(task)

    refused = {name: old.post(name, task=task, **writes[name]) for name in writes}
    upload = old.upload(f"p/t.{task}/artifacts/late.txt")
    old.close()
    world.ann.call("tasks.stopped", task=task)

    assert {name: one.status_code for name, one in refused.items()} == dict.fromkeys(
        writes, 401
    )
    assert "was given up" in refused["events.add"].json()["meta"]["result_msg"]
    assert upload.status_code == 401
    assert before["status"] == "in_progress"
    assert before["name"] == "a task"


def test_an_agent_that_was_given_up_marks_nothing_any_more(world: World) -> None:
    task, old, new = given_up(world)
    old.close()

    late = [
        world.as_execution(f"old-{task}", name, task=task, type="log", msg="late")
        for name in ("events.add", "tasks.failed", "tasks.completed", "tasks.stopped")
    ]
    world.as_execution(
        f"old-{task}", "workers.status_report", worker="old:0", task=task, timestamp=1
    ).raise_for_status()
    token = world.as_execution(f"old-{task}", "waylab.job_token", task=task)
    after = world.get(task)
    done = world.as_execution(new, "tasks.completed", task=task)

    assert [one.status_code for one in late] == [403] * 4
    assert token.status_code == 403
    assert (after["status"], after["last_worker"]) == ("in_progress", None)
    assert done.is_success
    assert world.get(task)["status"] == "completed"


def test_a_machine_that_was_given_up_is_told_by_its_name(world: World) -> None:
    task = world.enqueue("again")
    queue = world.queues["again"]
    world.ann.call("queues.remove_task", queue=queue, task=task)
    world.from_host("one", "tasks.started", task=task).raise_for_status()
    world.wait(task, "queued")
    world.ann.call("queues.remove_task", queue=queue, task=task)
    world.from_host("two", "tasks.started", task=task).raise_for_status()

    late = [
        world.from_host("one", name, task=task, type="log", msg="late").status_code
        for name in ("events.add", "tasks.started", "tasks.ping", "tasks.completed")
    ]
    mine = world.from_host("two", "events.add", task=task, type="log", msg="mine\n")
    renamed = world.from_host("one", "tasks.reset", task=task, force=True)
    world.ann.call("tasks.enqueue", task=task, queue=queue)
    world.from_host("one", "tasks.started", task=task).raise_for_status()
    again = world.from_host("one", "tasks.ping", task=task)
    world.ann.call("tasks.stopped", task=task)

    assert late == [403] * 4
    assert (mine.status_code, renamed.status_code, again.status_code) == (200,) * 3


def test_a_job_s_token_is_of_one_execution(world: World) -> None:
    task = world.enqueue("never")
    old = Door(world.server, ("", ""), world.start(task, "never"))
    renewed = Door(world.server, ("", ""), old.call("auth.login")["token"])
    good = renewed.post("tasks.ping", task=task).status_code
    world.ann.call("tasks.stopped", task=task)
    over = old.post("tasks.ping", task=task).status_code

    world.ann.call("tasks.enqueue", task=task, queue=world.queues["never"])
    new = Door(world.server, ("", ""), world.start(task, "never"))
    answers = [door.post("tasks.ping", task=task) for door in (old, renewed, new)]
    for door in (old, renewed, new):
        door.close()
    world.ann.call("tasks.stopped", task=task)

    assert (good, over) == (200, 401)
    assert [one.status_code for one in answers] == [401, 401, 200]


def test_of_many_enqueues_with_one_key_one_counts(world: World) -> None:
    task = world.ann.task()
    queue = world.queues["never"]
    body = {"task": task, "queue": queue, "idempotency_key": "a click"}

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: world.ann.post("tasks.enqueue", **body), range(24))
        )
    found = [one.json()["data"]["updated"] for one in answers]
    line = world.line("never")
    world.ann.call("tasks.dequeue", task=task)
    late = world.ann.call("tasks.enqueue", **body)

    assert {one.status_code for one in answers} == {200}
    assert sorted(found) == [0] * 23 + [1]
    assert line == [task]
    assert (late["updated"], world.get(task)["status"]) == (0, "created")


def test_a_key_is_of_one_task_and_one_user(world: World) -> None:
    mine, another = world.ann.task(), world.ann.task()
    queue = world.queues["never"]
    body = {"queue": queue, "idempotency_key": "nightly"}
    bob = Door(world.server, world.server.create_user("bob"))
    his = bob.task()
    world.ann.call("tasks.enqueue", task=mine, **body)

    refused = world.ann.refused("tasks.enqueue", task=another, **body)
    bob.call("tasks.enqueue", task=his, **body)
    many = world.ann.call("tasks.enqueue_many", ids=[another, world.ann.task()], **body)
    line = world.line("never")
    for one in line:
        world.server.call("tasks.dequeue", {"task": one})
    bob.close()

    assert refused == (400, 801)
    assert [len(many["succeeded"]), len(many["failed"])] == [2, 0]
    assert line[:2] == [mine, his]


def test_a_refused_enqueue_uses_no_key_up(world: World) -> None:
    task = world.ann.task()
    queue = world.queues["never"]
    body = {"task": task, "queue": queue, "idempotency_key": "early"}
    world.ann.call("tasks.started", task=task)

    refused = world.ann.refused("tasks.enqueue", **body)
    world.ann.call("tasks.stopped", task=task)
    world.ann.call("tasks.enqueue", **body)
    status = world.get(task)["status"]
    world.ann.call("tasks.dequeue", task=task)

    assert (refused, status) == ((400, 110), "queued")


def test_an_open_server_knows_no_keys_and_no_losses(tmp_path: Path) -> None:
    with impatient_server(tmp_path, strict=True) as server:
        keys = server.system
        door = Door(server, keys)
        queue = door.call("queues.get_default")["id"]
        first, second = door.task(), door.task()
        for task in (first, second):
            door.call("tasks.enqueue", task=task, queue=queue, idempotency_key="same")
        door.call("queues.remove_task", queue=queue, task=first)
        door.call("tasks.started", task=first)
        time.sleep(GIVEN_UP + 0.7)
        status = door.call("tasks.get_by_id", task=first)["task"]["status"]
        door.close()

    assert status == "in_progress"


def test_a_fault_of_the_database_is_told_for_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 0})

    def fault(*statements: str) -> int:
        with engine.connect() as connection:
            for statement in statements[:-1]:
                connection.exec_driver_sql(statement)
            with pytest.raises(sa.exc.DBAPIError) as caught:
                connection.exec_driver_sql(statements[-1])
        return faults.told(caught.value)[0]

    small = "pragma max_page_count = 3"
    full = fault("create table t (x)", small, "insert into t values (zeroblob(99999))")
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("begin immediate")
    busy = fault("create table u (x)")
    holder.close()
    other = fault("select * from nowhere")
    engine.dispose()

    assert (full, busy, other) == (507, 503, 500)
