"""What official clients may ask besides: samples, contents of projects, sharing."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from tests.waylab_tracking.conformance import FREE_FORM, answers, official
from tests.waylab_tracking.door import Door

from waylab_tracking import services
from waylab_tracking.registry import ENDPOINTS
from waylab_tracking.testing import Server

# The paid server's alone: what it has the open one answers with an error that says so.
ENTERPRISE = {"datasets", "dataviews", "frames"}
# What official clients ask for by name, without a schema in their packages.
RAW = {
    "auth.login",
    "debug.ping",
    "routers.get_routes",
    "serving.container_status_report",
    "serving.register_container",
    "tasks.get_all_ex",
    "tasks.get_by_id_ex",
    "users.get_current_user",
    "users.get_vaults",
    "workers.cluster_report",
    "workers.cluster_unregister",
    "workers.get_runtime_properties",
    "workers.set_runtime_properties",
}
IMAGE = "training_debug_image"
BOUNDLESS, DEEP = (
    base64.urlsafe_b64encode(text).decode()
    for text in (b'[Infinity, "a", "b", true]', b"[" * 3000)
)


def _report(door: Door, task: str, kind: str, *places: tuple[int, str, str]) -> None:
    for number, metric, variant in places:
        body = {"plot_str": "{}"} if kind == "plot" else {"url": f"{number}-{variant}"}
        place = {"iter": number, "metric": metric, "variant": variant}
        door.call("events.add", type=kind, task=task, **place, **body)


def test_all_that_the_official_clients_know_is_answered() -> None:
    assert services.tasks  # Importing the services registers what they answer.
    known = {name for name in official() if name.partition(".")[0] not in ENTERPRISE}
    # Answered in front of all others, to anybody.
    assert (known | RAW) - set(ENDPOINTS) == {"debug.ping"}
    assert len(known) >= 150


def test_every_answer_has_a_schema_that_tests_check() -> None:
    assert set(ENDPOINTS) - set(answers()) == FREE_FORM


@pytest.mark.parametrize(
    "endpoint", ["datasets.create", "dataviews.get_all", "frames.get_next"]
)
def test_what_is_the_paid_servers_alone_is_told_to_be(
    server: Server, ann: Door, endpoint: str
) -> None:
    assert endpoint in official()
    answer = ann.post(endpoint).json()
    assert answer["meta"]["result_code"] == 404
    assert "enterprise" in answer["meta"]["result_msg"]
    assert f"{endpoint} is of the enterprise server only" in server.log.read_text(
        "utf-8"
    )


def test_images_are_turned_one_after_the_other(ann: Door) -> None:
    task = ann.task()
    places = [(n, "m", v) for n in (1, 2) for v in ("a", "b")]
    _report(ann, task, IMAGE, *places, (2, "n", "c"))
    first = ann.call(
        "events.get_debug_image_sample", task=task, metric="m", variant="a"
    )
    assert (first["min_iteration"], first["max_iteration"]) == (1, 2)

    def turn(scroll: str, **how: Any) -> list[str]:
        seen: list[str] = []
        for _ in range(9):
            page = ann.call(
                "events.next_debug_image_sample", task=task, scroll_id=scroll, **how
            )
            if page["event"] is None:
                return seen
            seen.append(page["event"]["url"])
            scroll = page["scroll_id"]
        raise AssertionError(seen)

    assert first["event"]["url"] == "2-a"
    assert turn(first["scroll_id"]) == ["2-b", "2-c", "1-a", "1-b"]
    assert turn(first["scroll_id"], next_iteration=True) == ["1-a"]
    early = ann.call(
        "events.get_debug_image_sample",
        task=task,
        metric="m",
        variant="b",
        iteration=1,
        navigate_current_metric=True,
    )
    assert early["event"]["url"] == "1-b"
    assert turn(early["scroll_id"], navigate_earlier=False) == ["1-a", "2-b", "2-a"]


def test_plots_of_a_metric_are_turned_together(ann: Door) -> None:
    task = ann.task()
    _report(
        ann, task, "plot", (1, "m", "a"), (1, "m", "b"), (2, "m", "a"), (2, "n", "x")
    )

    last = ann.call("events.get_plot_sample", task=task, metric="m")
    assert [one["variant"] for one in last["events"]] == ["a"]
    page = ann.call("events.next_plot_sample", task=task, scroll_id=last["scroll_id"])
    assert [one["metric"] for one in page["events"]] == ["n"]
    page = ann.call("events.next_plot_sample", task=task, scroll_id=page["scroll_id"])
    assert [one["variant"] for one in page["events"]] == ["a", "b"]
    none = ann.call("events.get_plot_sample", task=task, metric="nothing")
    assert none["events"] == []
    some = ann.call("events.plots", metrics=[{"task": task, "metric": "m"}], iters=2)
    iterations = some["metrics"][0]["iterations"]
    assert [one["iter"] for one in iterations] == [2, 1]


@pytest.mark.parametrize("scroll", ["x", "WzFd", "e30=", BOUNDLESS, DEEP])
def test_a_place_that_no_server_gave_is_refused(ann: Door, scroll: str) -> None:
    task = ann.task()
    refused = ann.refused("events.next_plot_sample", task=task, scroll_id=scroll)
    assert refused[0] == 400


def test_the_contents_of_a_project_are_told(ann: Door) -> None:
    project = ann.call("projects.create", name="contents/inner", tags=["mine"])["id"]
    outer = ann.call("projects.get_by_id", project=project)["project"]["parent"]
    for value in ("1", "2"):
        item = {"section": "Args", "name": "lr", "value": value}
        ann.task(project=project, hyperparams={"Args": {"lr": item}})
    metadata = {"stage": {"key": "stage", "value": "prod"}}
    ann.call(
        "models.create", name="a model", project=project, uri="x", metadata=metadata
    )

    keys = ann.call("projects.get_hyper_parameters", project=outer)
    assert keys["parameters"] == [{"section": "Args", "name": "lr"}]
    values = ann.call(
        "projects.get_hyperparam_values", projects=[outer], section="Args", name="lr"
    )
    assert values == {"values": ["1", "2"], "total": 2}
    found = ann.call("projects.get_model_metadata_keys", project=project)
    assert found["keys"] == ["stage"]
    found = ann.call(
        "projects.get_model_metadata_values", projects=[outer], key="stage"
    )
    assert found["values"] == ["prod"]
    tags = ann.call("projects.get_project_tags", projects=[project])
    assert tags["tags"] == ["mine"]
    held = ann.call("projects.validate_delete", project=outer)
    assert (held["tasks"], held["non_archived_models"]) == (2, 1)


def test_projects_are_moved_and_merged_whole(ann: Door, bob: Door) -> None:
    inner = ann.call("projects.create", name="old place/inner")["id"]
    deep = ann.call("projects.create", name="old place/inner/deep")["id"]
    task = ann.task(project=inner)

    assert ann.call("projects.move", project=inner, new_location="new place") == {
        "moved": 2
    }
    moved = ann.call("projects.get_by_id", project=deep)["project"]
    assert moved["name"] == "new place/inner/deep"
    target = ann.call("projects.create", name="target")["id"]
    both = {"project": inner, "destination_project": target}
    bobs = bob.call("projects.create", name="bob's place")["id"]
    into = {"project": inner, "destination_project": bobs}
    assert ann.refused("projects.merge", **into)[0] == 403
    assert bob.refused("projects.merge", **both)[0] == 403
    done = ann.call("projects.merge", project=inner, destination_project=target)
    assert done == {"moved_entities": 1, "moved_projects": 1}
    assert ann.call("tasks.get_by_id", task=task)["task"]["project"] == target
    moved = ann.call("projects.get_by_id", project=deep)["project"]
    assert (moved["name"], moved["parent"]) == ("target/deep", target)
    assert ann.refused("projects.get_by_id", project=inner)[0] == 400
    below = ann.refused("projects.merge", project=target, destination_project=deep)
    assert below[0] == 400


def test_what_is_made_public_can_be_made_private_again(ann: Door) -> None:
    project = ann.call("projects.create", name="public one")["id"]
    model = ann.call("models.create", name="a model", uri="x")["id"]
    for service, one in (("projects", project), ("models", model)):
        for verb in ("make_public", "make_private"):
            assert ann.call(f"{service}.{verb}", ids=[one]) == {"updated": 1}


def test_tasks_are_shared_and_changed_together(ann: Door) -> None:
    first, second = ann.task(), ann.task()
    assert ann.call("tasks.share", tasks=[first, second]) == {"changed": 2}
    assert ann.call("tasks.share", tasks=[first]) == {"changed": 0}
    assert ann.call("tasks.share", tasks=[first], share=False) == {"changed": 1}
    items = [{"name": "net", "value": "x", "type": "json"}, {"name": "empty"}]
    ann.call("tasks.edit_configuration", task=first, configuration=items)
    names = ann.call("tasks.get_configuration_names", tasks=[first])["configurations"]
    assert names == {"task": first, "names": ["net"]}


def test_a_pipeline_is_started_anew_with_other_arguments(ann: Door) -> None:
    item = {"section": "Args", "name": "size", "value": "1", "type": "int"}
    base = ann.task(hyperparams={"Args": {"size": item}})

    made = ann.call(
        "pipelines.start_pipeline", task=base, args=[{"name": "size", "value": "8"}]
    )

    assert made["enqueued"] is True
    task = ann.call("tasks.get_by_id", task=made["pipeline"])["task"]
    assert (task["status"], task["parent"]) == ("queued", base)
    assert task["hyperparams"]["Args"]["size"] == {**item, "value": "8"}


def test_a_key_pair_is_renamed_by_its_owner_only(ann: Door, bob: Door) -> None:
    key = ann.call("auth.create_credentials", label="old")["credentials"]["access_key"]
    renamed = ann.call("auth.edit_credentials", access_key=key, label="new")
    assert renamed == {"updated": 1}
    assert bob.call("auth.edit_credentials", access_key=key, label="x")["updated"] == 0
    known = ann.call("auth.get_credentials")["credentials"]
    assert {"access_key": key, "label": "new"}.items() <= next(
        one for one in known if one["access_key"] == key
    ).items()


def test_the_last_values_of_curves_are_told(ann: Door) -> None:
    task = ann.task()
    for number, value in enumerate((1.0, 3.0)):
        ann.call(
            "events.add",
            type="training_stats_scalar",
            task=task,
            metric="loss",
            variant="train",
            iter=number,
            value=value,
        )
    found = ann.call("events.get_task_latest_scalar_values", task=task)["metrics"]
    last = [{"name": "train", "last_value": 3.0}]
    assert found == [{"name": "loss", "variants": last}]


def _logged(door: Door, task: str, *lines: tuple[int, str]) -> None:
    for moment, text in lines:
        line = {"type": "log", "worker": "w", "level": "info", "msg": text}
        door.call("events.add", task=task, timestamp=moment, **line)


def test_a_log_is_downloaded_as_text(ann: Door) -> None:
    task = ann.task()
    _logged(ann, task, (1_000, "first\n"), (2_000, "{msg.__class__} é"))

    plain = ann.post("events.download_task_log", task=task)
    form = {"line_format": "{level}: {msg} {worker.x} {0}"}
    formed = ann.post("events.download_task_log", task=task, **form)
    objects = ann.post("events.download_task_log", task=task, line_type="json")

    assert plain.text.splitlines() == [
        "1970-01-01T00:00:01.000+00:00 w info first",
        "1970-01-01T00:00:02.000+00:00 w info {msg.__class__} é",
    ]
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    assert plain.headers["content-disposition"].startswith("attachment")
    assert formed.text.splitlines()[0] == "info: first {worker.x} {0}"
    assert json.loads(objects.text.splitlines()[0]) == {
        "timestamp": 1_000,
        "worker": "w",
        "level": "info",
        "msg": "first\n",
    }
    unknown = ann.refused("events.download_task_log", task="0" * 32)
    assert unknown == (400, 101)


def test_old_lines_of_a_log_are_dropped(ann: Door) -> None:
    task = ann.task()
    moment = int(time.time() * 1000)
    rows = [(moment - 7_200_000 + n, f"old {n}") for n in range(20)]
    _logged(ann, task, *rows, (moment, "new"), (moment - 7_000_000, "late and old"))
    wanted = {"task": task, "navigate_earlier": False, "batch_size": 100}

    some = ann.call("events.clear_task_log", task=task, threshold_sec=3600)
    left = ann.call("events.get_task_log", **wanted)
    _logged(ann, task, (moment + 1, "newer"))
    more = ann.call("events.get_task_log", **wanted)
    rest = ann.call("events.clear_task_log", task=task)

    assert (some, rest) == ({"deleted": 21}, {"deleted": 2})
    assert ([one["msg"] for one in left["events"]], left["total"]) == (["new"], 1)
    assert [one["msg"] for one in more["events"]] == ["new", "newer"]
    assert ann.call("events.get_task_log", **wanted)["events"] == []


def test_the_points_of_a_metric_are_told_as_events(ann: Door) -> None:
    task = ann.task()
    for metric, number in (("loss", 0), ("loss", 1), ("other", 0)):
        place = {"metric": metric, "variant": "v", "iter": number}
        point = {"type": "training_stats_scalar", "value": number, "timestamp": 5}
        ann.call("events.add", task=task, **place, **point)
    wanted = {"task": task, "metric": "loss", "batch_size": 1}

    first = ann.call("events.get_scalar_metric_data", **wanted)
    scroll = first.pop("scroll_id")
    second = ann.call("events.get_scalar_metric_data", **wanted, scroll_id=scroll)
    alone = ann.call("events.get_scalar_metric_data", **wanted, no_scroll=True)

    place = {"task": task, "metric": "loss", "variant": "v", "timestamp": 5}
    event = {"type": "training_stats_scalar", "iter": 0, "value": 0.0, **place}
    assert first == {"events": [event], "returned": 1, "total": 2}
    assert [one["iter"] for one in second["events"]] == [1]
    assert second["scroll_id"] is alone["scroll_id"] is None


def test_vectors_are_told_by_iteration(ann: Door) -> None:
    task = ann.task()
    for number, values in ((2, [3.0]), (1, [1.0]), (1, [1.0, 2.0])):
        place = {"metric": "m", "variant": "v", "iter": number}
        kind = {"type": "training_stats_vector", "values": values}
        ann.call("events.add", task=task, **place, **kind)

    names = ann.call("events.get_vector_metrics_and_variants", task=task)
    wanted = {"task": task, "metric": "m", "variant": "v"}
    found = ann.call("events.vector_metrics_iter_histogram", **wanted)["images"]

    assert names == {"metrics": [{"metric": "m", "variants": ["v"]}]}
    seen = [(one["iter"], one["values"]) for one in found]
    assert seen == [(1, [1.0, 2.0]), (2, [3.0])]


def test_a_role_is_given_by_an_admin_and_to_people_only(
    server: Server, ann: Door, admin: Door, agent: Door
) -> None:
    door = Door(server, server.create_user("carol"))
    carol = door.call("users.get_current_user")["user"]["id"]
    machine = agent.call("users.get_current_user")["user"]["id"]

    raised = admin.call("auth.edit_user", user=carol, role="admin")
    role = door.call("users.get_current_user")["user"]["role"]
    admin.call("auth.edit_user", user=carol, role="user")
    door.close()

    assert raised == {"updated": 1, "fields": {"role": "admin"}}
    assert role == "admin"
    assert ann.refused("auth.edit_user", user=carol, role="admin") == (403, 0)
    for user, wanted in ((carol, "superuser"), (machine, "user"), ("x", "user")):
        assert admin.refused("auth.edit_user", user=user, role=wanted) == (400, 800)


def test_a_served_model_is_told_of_by_those_who_serve_it(ann: Door, bob: Door) -> None:
    told = {"endpoint_name": "cats", "model_name": "m", "endpoint_url": "http://x/"}
    for container in ("one", "two"):
        ann.call("serving.register_container", container_id=container, **told)
        report = {"requests_num": 2, "latency_ms": 1.5, "uptime_sec": 3}
        ann.call("serving.container_status_report", container_id=container, **report)

    [found] = ann.call("serving.get_endpoints")["endpoints"]
    taken = bob.refused("serving.register_container", container_id="one", **told)

    assert (found["endpoint"], found["instances"], found["url"]) == (
        "cats",
        2,
        "http://x/",
    )
    assert (found["requests_num"], found["latency_ms"]) == (4, 1.5)
    assert taken == (403, 0)


def test_small_questions_of_clients_are_answered(ann: Door) -> None:
    assert ann.call("auth.logout") == {}
    assert ann.call("debug.echo", a=[1]) == {"a": [1]}
    assert ann.call("debug.ping_auth")["msg"]
    assert ann.refused("debug.ex") == ann.refused("debug.apiex") == (400, 0)
    assert ann.call("users.get_vaults") == {"vaults": []}
    assert ann.call("routers.get_routes", name="^x$") == {"routes": []}
    task = ann.task()
    for verb in ("make_public", "make_private"):
        assert ann.call(f"tasks.{verb}", ids=[task]) == {"updated": 1}


def test_a_report_is_written_published_and_deleted(ann: Door, bob: Door) -> None:
    project = ann.call("projects.create", name="told about")["id"]
    made = ann.call(
        "reports.create", name="what came out", project=project, report="# Hello"
    )
    report = made["id"]
    other = ann.call("reports.create", name="another one", project=project, tags=["b"])
    again = ann.call("projects.get_all", id=[made["project_id"]])["projects"][0]

    ann.call("reports.update", task=report, report="# Bye", tags=["a"], comment="c")
    found = ann.call("reports.get_all_ex", project=[project], tags=["a"])["tasks"]
    fields = {"project": [project], "only_fields": ["report", "name"]}
    short = ann.call("reports.get_all_ex", **fields)["tasks"]
    read = ann.call("tasks.get_by_id", task=report)["task"]

    assert other["project_id"] == made["project_id"]
    assert (again["name"], again["system_tags"]) == (
        "told about/.reports",
        ["hidden", "reports"],
    )
    assert [(one["id"], one["report"], one["type"]) for one in found] == [
        (report, "# Bye", "report")
    ]
    assert {one["report"] for one in short} == {"# Bye", ""}
    assert read["configuration"]["report"]["value"] == "# Bye"
    assert ann.call("tasks.get_all", project=[project])["tasks"] == []
    assert ann.call("reports.get_tags") == {"tags": ["a", "b"]}

    assert bob.refused("reports.update", task=report, report="x") == (403, 0)
    assert ann.refused("reports.publish", task=ann.task()) == (400, 800)
    elsewhere = ann.call("reports.move", task=report, project_name="elsewhere")
    ann.call("reports.publish", task=report, message="done")
    assert ann.refused("reports.update", task=report, report="x") == (400, 110)
    assert ann.call("reports.archive", task=report) == {"archived": 1}
    assert ann.call("reports.unarchive", task=report) == {"unarchived": 1}
    moved = ann.call("tasks.get_by_id", task=report)["task"]
    assert (moved["project"], moved["status"], moved["system_tags"]) == (
        elsewhere["project_id"],
        "published",
        ["reports"],
    )
    assert ann.refused("reports.delete", task=report) == (400, 110)
    assert ann.call("reports.delete", task=report, force=True) == {"deleted": True}
    ann.call("reports.archive", task=other["id"])
    assert ann.call("reports.delete", task=other["id"]) == {"deleted": True}
    assert ann.refused("tasks.get_by_id", task=report) == (400, 101)
