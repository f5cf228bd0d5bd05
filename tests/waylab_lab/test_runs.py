from __future__ import annotations

import time

import pytest
from tests.waylab_lab.rig import Lab, add_run

from waylab_clearml.client import Client


@pytest.fixture(scope="module")
def running(ada: Client) -> str:
    """A run of ada's that goes on, with parameters, a log and scalars."""
    run = add_run(
        ada,
        "train-resnet",
        hyperparams={
            "Notebook": {
                "epochs": {
                    "section": "Notebook",
                    "name": "epochs",
                    "value": "3",
                    "type": "int",
                    "description": "passes over the data",
                }
            }
        },
    )
    ada.call("tasks.enqueue", {"task": run, "queue_name": "vision"})
    ada.call("tasks.started", {"task": run, "force": True})
    now = int(time.time() * 1000)
    for number in range(3):
        for event in (
            {"type": "log", "msg": f"line {number}", "level": "info"},
            {
                "type": "training_stats_scalar",
                "metric": "loss",
                "variant": "train",
                "iter": number,
                "value": 1 / (number + 1),
            },
        ):
            ada.call(
                "events.add",
                {**event, "task": run, "timestamp": now + number, "worker": "w"},
            )
    return run


@pytest.fixture(scope="module")
def of_grace(grace: Client) -> str:
    return add_run(grace, "graces-run")


def test_the_list_holds_ones_own_runs(lab: Lab, running: str, of_grace: str) -> None:
    page = lab.get("runs", user="me")
    assert {run["id"] for run in page["runs"]} == {running}
    assert page["total"] == 1
    assert (page["runs"][0]["state"], page["runs"][0]["owner"]) == ("running", "ada")


def test_the_list_holds_everyones_runs(lab: Lab, running: str, of_grace: str) -> None:
    found = {run["id"]: run["owner"] for run in lab.get("runs")["runs"]}
    assert found == {running: "ada", of_grace: "grace"}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"text": "resnet"}, 1),
        ({"text": "RES.*"}, 0),
        ({"state": "running"}, 1),
        ({"state": "failed"}, 0),
        ({"queue": "vision"}, 1),
        ({"queue": "nlp"}, 0),
        ({"project": "nowhere"}, 0),
    ],
)
def test_filters_choose(
    lab: Lab, running: str, query: dict[str, str], count: int
) -> None:
    assert lab.get("runs", user="me", **query)["total"] == count


def test_an_unchanged_list_is_not_sent_again(lab: Lab, running: str) -> None:
    first = lab.request("GET", "runs", params={"user": "me"})
    again = lab.request(
        "GET",
        "runs",
        params={"user": "me"},
        headers={"If-None-Match": first.headers["ETag"]},
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "query",
    [{"state": "flying"}, {"page": "-1"}, {"page_size": "100000"}, {"nonsense": "1"}],
)
def test_a_senseless_query_is_named(lab: Lab, query: dict[str, str]) -> None:
    answer = lab.request("GET", "runs", params=query)
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == list(query)


def test_a_run_is_shown_with_its_parameters(lab: Lab, running: str) -> None:
    run = lab.get(f"runs/{running}")
    assert run["may_change"] is True
    assert run["parameters"] == [
        {
            "section": "Notebook",
            "name": "epochs",
            "value": "3",
            "type": "int",
            "help": "passes over the data",
        }
    ]
    assert run["web_url"].endswith(f"/experiments/{running}/output/log")


def test_another_users_run_is_not_mine_to_change(lab: Lab, grace: Client) -> None:
    run = add_run(grace, "graces-own")
    grace.call("tasks.enqueue", {"task": run, "queue_name": "nlp"})
    assert lab.get(f"runs/{run}")["may_change"] is False
    refused = lab.request("POST", f"runs/{run}/abort")
    assert refused.status_code == 403
    assert lab.get(f"runs/{run}")["state"] == "queued"
    grace.call("tasks.dequeue", {"task": run})


def test_an_unknown_run_is_not_found(lab: Lab) -> None:
    answer = lab.request("GET", f"runs/{'0' * 32}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_the_log_is_read_on_from_a_cursor(lab: Lab, ada: Client, running: str) -> None:
    page = lab.get(f"runs/{running}/log")
    assert [line["text"] for line in page["lines"]] == ["line 0", "line 1", "line 2"]
    assert page["complete"] is True
    ada.call(
        "events.add",
        {
            "type": "log",
            "msg": "later",
            "level": "info",
            "task": running,
            "timestamp": int(time.time() * 1000) + 60_000,
            "worker": "w",
        },
    )
    later = lab.get(f"runs/{running}/log", after=page["cursor"])
    assert [line["text"] for line in later["lines"]] == ["later"]


def test_scalars_are_curves(lab: Lab, running: str) -> None:
    found = lab.get(f"runs/{running}/scalars")
    assert [(one["metric"], one["variant"]) for one in found["series"]] == [
        ("loss", "train")
    ]
    assert found["series"][0]["x"] == [0, 1, 2]
    assert found["series"][0]["y"] == pytest.approx([1, 1 / 2, 1 / 3])


def test_an_artifact_is_saved_and_never_shown(lab: Lab, ada: Client) -> None:
    run = add_run(ada, "with-artifact")
    page = b"<script>alert(1)</script>"
    path = f"p/with-artifact.{run}/artifacts/a b/page.html"
    uri = ada.upload(path, page, "text/html")
    ada.call(
        "tasks.add_or_update_artifacts",
        {
            "task": run,
            "artifacts": [
                {"key": "a b", "type": "custom", "mode": "output", "uri": uri}
            ],
        },
    )
    (artifact,) = lab.get(f"runs/{run}")["artifacts"]
    assert artifact["downloadable"] is True
    answer = lab.request("GET", f"runs/{run}/artifacts/a%20b")
    assert (answer.status_code, answer.content) == (200, page)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert lab.request("GET", f"runs/{run}/artifacts/other").status_code == 404


def test_a_running_run_is_asked_to_stop(lab: Lab, ada: Client) -> None:
    run = add_run(ada, "to-be-stopped")
    ada.call("tasks.enqueue", {"task": run, "queue_name": "nlp"})
    assert lab.get(f"runs/{run}")["position"] == 1
    lab.post(f"runs/{run}/abort", {})
    assert lab.get(f"runs/{run}")["state"] == "aborted"


def test_queues_tell_their_length_and_slots(lab: Lab) -> None:
    queues = {queue["name"]: queue for queue in lab.get("queues")["queues"]}
    assert {"vision", "nlp", "regression", "default", "services"} <= set(queues)
    assert queues["default"]["slots"] == 0
