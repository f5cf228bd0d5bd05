"""What becomes of all that refers to a task or a project that goes."""

from __future__ import annotations

import json
from typing import Any

from tests.waylab_tracking.door import Door

ON_POSTGRES = True


def produced(door: Door, **fields: Any) -> tuple[str, str]:
    """Give a task with an artifact, images and an output model, and that model."""
    task = door.task(**fields)
    for key, mode in (("bundle", "input"), ("result", "output")):
        one = {"key": key, "type": "custom", "mode": mode, "uri": f"s3://b/{key}"}
        door.call("tasks.add_or_update_artifacts", task=task, artifacts=[one])
    image = {"type": "training_debug_image", "metric": "m", "variant": "v"}
    for number in (1, 2):
        door.call("events.add", task=task, iter=number, url="s3://b/image", **image)
    drawn = {"layout": {"images": [{"source": "s3://b/drawn"}]}}
    for text in (json.dumps(drawn), '{"layout": {"images": "source"}}', '"source'):
        plot = {"type": "plot", "metric": "p", "variant": text[-9:], "plot_str": text}
        door.call("events.add", task=task, iter=1, **plot)
    return task, model_of(door, task)


def model_of(door: Door, task: str, name: str = "weights") -> str:
    fields = {"name": name, "uri": f"s3://b/{name}", "task": task}
    model = str(door.call("models.create", **fields)["id"])
    named = {"name": name, "model": model, "type": "output"}
    door.call("tasks.add_or_update_model", task=task, **named)
    return model


URLS = {
    "artifact_urls": ["s3://b/result"],
    "event_urls": ["s3://b/drawn", "s3://b/image"],
    "model_urls": ["s3://b/weights"],
}


def task_of(door: Door, model: str) -> Any:
    return door.call("models.get_by_id", model=model)["model"]["task"]


def parent_of(door: Door, task: str) -> Any:
    return door.call("tasks.get_by_id", task=task)["task"]["parent"]


def test_a_deleted_tasks_files_are_told_when_they_are_asked_for(ann: Door) -> None:
    task, model = produced(ann)
    silent = ann.call("tasks.delete", task=produced(ann)[0])

    done = ann.call("tasks.delete", task=task, return_file_urls=True)

    assert done == {
        "deleted": True,
        "updated_children": 0,
        "updated_models": 0,
        "urls": URLS,
    }
    assert "urls" not in silent
    assert ann.refused("models.get_by_id", model=model) == (400, 201)


def test_nothing_points_to_a_deleted_task(ann: Door, bob: Door) -> None:
    task, kept = produced(ann)
    child = bob.call("tasks.clone", task=task)["id"]
    before = ann.call("tasks.get_by_id", task=child)["task"]["last_update"]

    done = ann.call("tasks.delete", task=task, delete_output_models=False)

    assert (done["updated_children"], done["updated_models"]) == (1, 1)
    assert (parent_of(ann, child), task_of(ann, kept)) == (None, None)
    found = ann.call("tasks.get_all", id=[child], only_fields=["parent", "last_update"])
    assert found["tasks"] == [{"id": child, "parent": None, "last_update": before}]
    assert ann.call("models.get_all", task=[task])["models"] == []


def test_a_model_that_is_used_published_or_anothers_stays(ann: Door, bob: Door) -> None:
    task, used = produced(ann)
    published, theirs = model_of(ann, task, "final"), None
    ann.call("models.set_ready", model=published, publish_task=False)
    other = {"name": "bob's", "uri": "s3://b/bob", "task": task}
    theirs = bob.call("models.create", **other)["id"]
    user = bob.task()
    named = {"name": "start", "model": used, "type": "input"}
    bob.call("tasks.add_or_update_model", task=user, **named)

    [done] = ann.call("tasks.delete_many", ids=[task])["succeeded"]

    assert (done["deleted_models"], done["updated_models"]) == (0, 3)
    assert [task_of(ann, one) for one in (used, published, theirs)] == [None] * 3


def test_a_reset_drops_models_and_tells_files(ann: Door) -> None:
    task, model = produced(ann, script={"diff": "print(1)"})
    kept = model_of(ann, task, "kept")
    ann.call("tasks.reset", task=ann.task(), delete_output_models=False)
    ann.call("models.set_ready", model=kept, publish_task=False)

    done = ann.call("tasks.reset", task=task, return_file_urls=True, clear_all=True)

    doc = ann.call("tasks.get_by_id", task=task)["task"]
    assert (done["deleted_models"], done["urls"]) == (1, URLS)
    assert ann.refused("models.get_by_id", model=model) == (400, 201)
    assert task_of(ann, kept) == task
    assert (doc["script"], doc["execution"]["artifacts"]) == ({}, [])


def test_a_projects_contents_stay_or_go_with_it(ann: Door) -> None:
    def filled(name: str) -> tuple[str, str, str]:
        project = str(ann.call("projects.create", name=name)["id"])
        task, model = produced(ann, project=project)
        ann.call("models.edit", model=model, project=project)
        return project, task, model

    project, task, model = filled("to leave/its contents")
    assert ann.refused("projects.delete", project=project) == (400, 402)
    left = ann.call("projects.delete", project=project, force=True)
    assert left == {"deleted": 1, "disassociated_tasks": 1}
    assert ann.call("tasks.get_by_id", task=task)["task"]["project"] is None
    assert ann.call("models.get_by_id", model=model)["model"]["project"] is None

    project, task, model = filled("to take/its contents")
    ann.call("tasks.started", task=task)
    both = {"project": project, "force": True, "delete_contents": True}
    assert ann.call("projects.delete", **both) == {
        "deleted": 1,
        "disassociated_tasks": 0,
        "deleted_tasks": 1,
        "deleted_models": 1,
        "urls": URLS,
    }
    assert ann.refused("tasks.get_by_id", task=task) == (400, 101)
    assert ann.refused("models.get_by_id", model=model) == (400, 201)


def test_anothers_tasks_do_not_go_with_a_project(ann: Door, bob: Door) -> None:
    project = ann.call("projects.create", name="shared place")["id"]
    task = bob.task(project=project)

    refused = [
        ann.refused("projects.delete", project=project, force=True, **more)
        for more in ({}, {"delete_contents": True})
    ]

    assert refused == [(403, 0)] * 2
    assert bob.call("tasks.get_by_id", task=task)["task"]["project"] == project


def test_a_models_task_is_published_with_it_unless_told_otherwise(ann: Door) -> None:
    def ended(*, yet: bool = True) -> tuple[str, str]:
        task = ann.task()
        ann.call("tasks.started", task=task)
        if yet:
            ann.call("tasks.completed", task=task)
        return task, model_of(ann, task)

    def status(task: str) -> Any:
        return ann.call("tasks.get_by_id", task=task)["task"]["status"]

    task, model = ended()
    alone = ann.call("models.set_ready", model=model, publish_task=False)
    assert (alone, status(task)) == ({"updated": 1}, "completed")
    both = ann.call("models.set_ready", model=model)
    assert both["published_task"]["id"] == task
    assert both["published_task"]["data"]["updated"] == 1
    assert status(task) == "published"

    task, model = ended(yet=False)
    early = ann.call("models.publish_many", ids=[model])["succeeded"]
    assert early == [{"id": model, "updated": True}]
    assert status(task) == "in_progress"
    forced = {"ids": [model], "force_publish_task": True}
    [done] = ann.call("models.publish_many", **forced)["succeeded"]
    assert (done["published_task"]["id"], status(task)) == (task, "published")
