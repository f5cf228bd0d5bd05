"""What official clients may ask besides: samples, contents of projects, sharing."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.waylab_tracking.conformance import answers
from tests.waylab_tracking.door import Door

from waylab_tracking import services
from waylab_tracking.registry import ENDPOINTS

# The paid server's alone, or not there yet; each is told by the log when it is asked.
NOT_ANSWERED = {
    "auth.edit_user",
    "events.clear_task_log",
    "events.download_task_log",
    "events.get_scalar_metric_data",
    "events.get_vector_metrics_and_variants",
    "events.vector_metrics_iter_histogram",
    "queues.get_queue_metrics",
    "workers.get_activity_report",
    "workers.get_metric_keys",
    "workers.get_stats",
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


def test_all_that_the_official_clients_know_is_answered_but_what_is_listed() -> None:
    assert services.tasks  # Importing the services registers what they answer.
    assert set(answers()) - set(ENDPOINTS) == NOT_ANSWERED


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
