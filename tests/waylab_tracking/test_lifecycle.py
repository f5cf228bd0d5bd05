from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Server

STATUSES = ("created", "queued", "in_progress", "stopped", "failed", "completed")
VERBS = ("enqueue", "started", "stopped", "failed", "completed", "publish", "reset")
ALLOWED = {
    "enqueue": {"created", "stopped", "failed"},
    "started": {"created", "queued", "stopped", "failed", "in_progress"},
    "stopped": {"created", "queued", "in_progress"},
    "failed": {"created", "queued", "in_progress", "stopped"},
    "completed": {"created", "in_progress", "stopped"},
    "publish": {"stopped", "failed", "completed"},
    "reset": {"created", "queued", "stopped", "failed", "completed"},
}


def in_status(door: Door, status: str) -> str:
    task = door.task()
    if status == "queued":
        door.call("tasks.enqueue", task=task)
    elif status != "created":
        door.call("tasks.started", task=task)
    if status in ("stopped", "failed", "completed"):
        door.call(f"tasks.{status}", task=task)
    return task


def read(door: Door, task: str) -> dict[str, Any]:
    doc: dict[str, Any] = door.call("tasks.get_by_id", task=task)["task"]
    return doc


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", STATUSES)
def test_only_sensible_changes_of_status_are_made(
    ann: Door, status: str, verb: str
) -> None:
    task = in_status(ann, status)
    before = read(ann, task)["status"]

    answer = ann.post(f"tasks.{verb}", task=task)

    meta = answer.json()["meta"]
    if status in ALLOWED[verb]:
        assert answer.is_success, meta
    else:
        # A task that waits already has a number of its own.
        assert (meta["result_code"], meta["result_subcode"]) in {(400, 110), (400, 706)}
        assert read(ann, task)["status"] == before == status


def test_a_task_tells_when_and_why_it_ended(ann: Door) -> None:
    task = in_status(ann, "in_progress")

    ann.call(
        "tasks.failed", task=task, status_reason="cell-error", status_message="Cell 3."
    )

    doc = read(ann, task)
    assert (doc["status"], doc["status_reason"]) == ("failed", "cell-error")
    assert doc["status_message"] == "Cell 3."
    assert doc["started"] <= doc["completed"] <= doc["last_update"]
    assert doc["active_duration"] >= 0


def test_starting_twice_is_told(ann: Door) -> None:
    task = ann.task()

    first = ann.call("tasks.started", task=task)
    second = ann.call("tasks.started", task=task)

    assert (first["started"], second["started"]) == (1, 0)


def test_an_abort_of_a_claimed_task_is_not_overruled_by_its_agent(
    ann: Door, agent: Door
) -> None:
    task = in_status(ann, "queued")
    queue = ann.call("queues.get_default")["id"]
    agent.call("queues.remove_task", queue=queue, task=task)

    ann.call("tasks.stop", task=task)

    assert agent.refused("tasks.started", task=task) == (400, 110)
    assert read(ann, task)["status"] == "stopped"


def test_a_stop_is_a_wish_while_the_task_runs(ann: Door) -> None:
    task = in_status(ann, "in_progress")

    ann.call("tasks.stop", task=task, status_reason="aborted")
    asked = read(ann, task)
    ann.call("tasks.stop", task=task, force=True)

    assert (asked["status"], asked["status_message"]) == ("in_progress", "stopping")
    assert asked["status_reason"] == "aborted"
    assert read(ann, task)["status"] == "stopped"


def test_dequeuing_a_running_task_changes_nothing(ann: Door) -> None:
    task = in_status(ann, "in_progress")

    refused = ann.refused("tasks.dequeue", task=task, new_status="in_progress")

    assert refused == (400, 110)
    assert read(ann, task)["status"] == "in_progress"


def test_a_fresh_task_has_every_part_that_the_sdk_reads(ann: Door) -> None:
    task = ann.task()

    doc = read(ann, task)
    asked = {"id": [task], "only_fields": ["runtime.version", "status"]}
    [part] = ann.call("tasks.get_all", **asked)["tasks"]

    parts = ("execution", "script", "runtime", "hyperparams", "configuration")
    assert all(doc[name] is not None for name in (*parts, "container", "output"))
    assert (doc["models"], doc["tags"]) == ({"input": [], "output": []}, [])
    assert doc["last_iteration"] == 0
    assert part == {"id": task, "runtime": {}, "status": "created"}


def test_a_reset_keeps_inputs_and_drops_results(ann: Door) -> None:
    task = ann.task(hyperparams={"Args": {"x": {"name": "x", "value": "1"}}})
    ann.call(
        "tasks.add_or_update_artifacts",
        task=task,
        artifacts=[
            {"key": "bundle", "type": "custom", "mode": "input", "uri": "x"},
            {"key": "result", "type": "custom", "uri": "y"},
        ],
    )
    ann.call("tasks.started", task=task)
    ann.call("events.add", type="log", task=task, msg="a line")
    ann.call("tasks.completed", task=task)

    ann.call("tasks.reset", task=task)

    doc = read(ann, task)
    assert [one["key"] for one in doc["execution"]["artifacts"]] == ["bundle"]
    assert doc["hyperparams"]["Args"]["x"]["value"] == "1"
    assert "completed" not in doc
    assert ann.call("events.get_task_log", task=task)["events"] == []


def test_a_clone_has_the_inputs_and_no_results(ann: Door, bob: Door) -> None:
    task = ann.task(tags=["notebook"])
    for key, mode in (("bundle", "input"), ("result", "output")):
        ann.call(
            "tasks.add_or_update_artifacts",
            task=task,
            artifacts=[{"key": key, "type": "custom", "mode": mode, "uri": "x"}],
        )
    items = [
        {"name": name, "value": "{}", "type": "json"}
        for name in ("net", "waylab_live", "waylab_verdict")
    ]
    ann.call("tasks.edit_configuration", task=task, configuration=items)

    clone = bob.call(
        "tasks.clone",
        task=task,
        new_task_name="bob's clone",
        new_task_hyperparams={"Args": {"x": {"name": "x", "value": "2"}}},
        new_project_name="of/bob",
    )["id"]

    doc = read(bob, clone)
    assert (doc["name"], doc["parent"], doc["status"]) == (
        "bob's clone",
        task,
        "created",
    )
    assert doc["user"] == bob.call("users.get_current_user")["user"]["id"]
    assert [one["key"] for one in doc["execution"]["artifacts"]] == ["bundle"]
    assert list(doc["configuration"]) == ["net"]
    assert doc["hyperparams"]["Args"]["x"]["value"] == "2"
    assert doc["tags"] == ["notebook"]


def test_parameters_are_set_one_by_one_by_section_or_all(ann: Door) -> None:
    task = ann.task()

    def edit(replace: str, *names: tuple[str, str, str]) -> dict[str, Any]:
        ann.call(
            "tasks.edit_hyper_params",
            task=task,
            replace_hyperparams=replace,
            hyperparams=[
                {"section": section, "name": name, "value": value}
                for section, name, value in names
            ],
        )
        return {
            f"{section}/{name}": item["value"]
            for section, items in read(ann, task)["hyperparams"].items()
            for name, item in items.items()
        }

    one = edit("none", ("A", "x", "1"), ("A", "y", "2"), ("B", "z", "3"))
    changed = edit("none", ("A", "x", "5"))
    section = edit("section", ("A", "y", "6"))
    everything = edit("all", ("C", "w", "7"))

    assert one == {"A/x": "1", "A/y": "2", "B/z": "3"}
    assert changed == {"A/x": "5", "A/y": "2", "B/z": "3"}
    assert section == {"A/y": "6", "B/z": "3"}
    assert everything == {"C/w": "7"}


@pytest.mark.parametrize("replace", [None, False, "none"])
def test_configuration_items_stay_when_another_is_set(ann: Door, replace: Any) -> None:
    task = ann.task()
    for name in ("waylab_live", "waylab_verdict"):
        ann.call(
            "tasks.edit_configuration",
            task=task,
            configuration=[{"name": name, "value": "{}"}],
            replace_configuration=replace,
        )

    assert set(read(ann, task)["configuration"]) == {"waylab_live", "waylab_verdict"}


def test_a_running_tasks_inputs_are_edited_by_force_only(ann: Door) -> None:
    task = in_status(ann, "in_progress")
    edit = {"task": task, "configuration": [{"name": "net", "value": "{}"}]}

    refused = ann.refused("tasks.edit_configuration", **edit)
    ann.call("tasks.edit_configuration", **edit, force=True)

    assert refused == (400, 110)
    assert list(read(ann, task)["configuration"]) == ["net"]


@pytest.mark.parametrize("status", ["queued", "in_progress", "completed"])
@pytest.mark.parametrize("endpoint", ["tasks.edit", "tasks.update"])
def test_what_a_run_is_made_of_is_replaced_by_force_only(
    ann: Door, endpoint: str, status: str
) -> None:
    task = in_status(ann, status)
    script = {"diff": "print(1)"}

    refused = ann.refused(endpoint, task=task, script=script, name="renamed")
    ann.call(endpoint, task=task, name="said of it", tags=["a"], comment="done")
    said = read(ann, task)
    ann.call(endpoint, task=task, script=script, force=True)

    assert refused == (400, 110)
    assert (said["name"], said["script"]) == ("said of it", {})
    assert read(ann, task)["script"] == script


def test_a_clone_takes_what_it_is_given(ann: Door) -> None:
    model = ann.call("models.create", name="weights", uri="x")["id"]
    given = [{"name": "start", "model": model}]
    project = ann.call("projects.create", name="clones")["id"]

    clone = ann.call(
        "tasks.clone",
        task=ann.task(),
        new_task_project=project,
        new_task_input_models=given,
        execution_overrides={"docker_cmd": "an-image"},
    )["id"]
    unknown = ann.refused("tasks.clone", task=clone, new_task_project="0" * 32)

    doc = read(ann, clone)
    assert (doc["project"], doc["models"]["input"]) == (project, given)
    assert doc["execution"]["docker_cmd"] == "an-image"
    assert unknown == (400, 401)


def test_a_task_leaves_its_queue_for_no_status_of_ones_own(ann: Door) -> None:
    task = in_status(ann, "queued")

    refused = ann.refused("tasks.dequeue", task=task, new_status="finished")

    assert refused == (400, 800)
    assert read(ann, task)["status"] == "queued"


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        ("tasks.create", {}, (400, 800)),
        ("tasks.create", {"name": "ab"}, (400, 800)),
        ("tasks.create", {"name": "a task", "project": "0" * 32}, (400, 401)),
        ("tasks.create", {"name": "a\x00b\x01c"}, (400, 800)),
        ("tasks.create", {"name": "a task", "hyperparams": "x"}, (400, 800)),
        ("tasks.create", {"name": "a task", "script": [1]}, (400, 800)),
        ("tasks.get_by_id", {"task": "0" * 32}, (400, 101)),
        ("tasks.get_by_id", {"task": {"$ne": 1}}, (400, 800)),
        ("tasks.get_all", {"name": "("}, (400, 800)),
        ("tasks.get_all", {"page": -1}, (400, 800)),
        ("tasks.get_all", {"page_size": "many"}, (400, 800)),
        ("tasks.add_or_update_artifacts", {"artifacts": [{}]}, (400, 800)),
        ("tasks.edit_hyper_params", {"hyperparams": [{"section": "x"}]}, (400, 800)),
        ("tasks.enqueue", {"queue": "0" * 32}, (400, 701)),
        ("projects.create", {"name": "ab"}, (400, 800)),
        ("models.get_by_id", {"model": "0" * 32}, (400, 201)),
        ("queues.get_by_id", {"queue": "default"}, (400, 701)),
        ("no.such_thing", {}, (404, 0)),
    ],
)
def test_bad_requests_get_the_number_that_clients_know(
    ann: Door, endpoint: str, body: dict[str, Any], expected: tuple[int, int]
) -> None:
    task = {"task": ann.task()} if endpoint.startswith("tasks.e") else {}
    task |= {"task": ann.task()} if "artifacts" in endpoint else {}

    assert ann.refused(endpoint, **{**task, **body}) == expected


def test_a_fault_of_the_server_is_not_told_as_the_callers(
    server: Server, ann: Door
) -> None:
    task = ann.task()
    with closing(sqlite3.connect(server.state / "tracking.sqlite")) as database:
        with database:
            database.execute("UPDATE tasks SET doc = '{}' WHERE id = ?", [task])
        refused = ann.refused("tasks.get_hyper_params", tasks=[task])
        with database:
            database.execute("DELETE FROM tasks WHERE id = ?", [task])

    assert refused == (500, 0)
    log = server.log.read_text("utf-8")
    assert "tasks.get_hyper_params failed" in log
    assert "KeyError: 'hyperparams'" in log


def test_unknown_fields_are_ignored(ann: Door) -> None:
    made = ann.call("tasks.create", name="a task", method="get", shallow_search=True)

    found = ann.call("tasks.get_all", id=[made["id"]], no_such_filter=["x"])

    assert [one["id"] for one in found["tasks"]] == [made["id"]]


def test_a_body_may_come_with_get(ann: Door) -> None:
    task = ann.task()

    answers = [
        ann.http.request(method, url, json={"task": task}, headers=ann.headers)
        for method in ("GET", "POST", "PUT")
        for url in ("/tasks.get_by_id", "/v2.5/tasks.get_by_id", "/v2.23/tasks.ping")
    ]

    assert [answer.status_code for answer in answers] == [200] * 9


def test_a_deleted_task_is_gone_and_waits_no_more(ann: Door) -> None:
    task = ann.task()
    ann.call("tasks.enqueue", task=task)
    refused = ann.refused("tasks.delete", task=task)

    ann.call("tasks.delete", task=task, force=True)

    assert refused == (400, 110)
    assert ann.refused("tasks.get_by_id", task=task) == (400, 101)
    entries = ann.call("queues.get_all", name="^default$")["queues"][0]["entries"]
    assert task not in [one["task"] for one in entries]


def test_many_are_changed_at_once_and_failures_are_told(ann: Door, bob: Door) -> None:
    mine, running, others = ann.task(), in_status(ann, "in_progress"), bob.task()

    answer = ann.call("tasks.delete_many", ids=[mine, running, others])

    assert [one["id"] for one in answer["succeeded"]] == [mine]
    codes = {one["id"]: one["error"]["codes"] for one in answer["failed"]}
    assert codes == {running: [400, 110], others: [403, 0]}
