from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.waylab_lab.rig import Lab, write_notebook

from waylab_clearml.offer import GpuOffer, NodeOffer, Offer, as_item
from waylab_tracking.testing import Server

SOURCE = """epochs: int = 3  # passes over the data
rate: float | None = None
model = "resnet"
"""


def form(path: str, **change: Any) -> dict[str, Any]:
    return {
        "path": path,
        "queue": "default",
        "name": "a run",
        "project": "Notebooks",
        "parameters": {},
        "files": [],
        "time_limit_seconds": None,
        "idempotency_key": f"key of {path}",
        **change,
    }


def refusal(lab: Lab, body: dict[str, Any]) -> dict[str, str]:
    return dict(lab.post("submit", body, 422)["fields"])


def test_a_notebook_in_the_editor_gives_its_fields(lab: Lab) -> None:
    path = write_notebook(lab.root / "open.ipynb", SOURCE)
    notebook = json.loads(path.read_text("utf-8"))
    fields = lab.post("parameters", {"notebook": notebook})["parameters"]
    assert fields[0] == {
        "name": "epochs",
        "type": "int",
        "text": "3",
        "is_none": False,
        "help": "passes over the data",
        "choices": [],
        "optional": False,
        "computed": False,
    }
    assert (fields[1]["optional"], fields[1]["is_none"]) == (True, True)
    assert fields[2]["text"] == "resnet"


def test_a_notebook_on_disk_gives_its_fields(lab: Lab) -> None:
    write_notebook(lab.root / "closed.ipynb", SOURCE)
    fields = lab.post("parameters", {"path": "closed.ipynb"})["parameters"]
    assert [field["name"] for field in fields] == ["epochs", "rate", "model"]


def test_a_notebook_with_braces_is_submitted_with_its_files(lab: Lab) -> None:
    write_notebook(lab.root / "work" / "a{b}.ipynb", SOURCE)
    (lab.root / "data").mkdir()
    (lab.root / "data" / "x.csv").write_text("1,2\n", "utf-8")
    made = lab.post(
        "submit",
        form(
            "work/a{b}.ipynb",
            name="a{b}",
            files=["data"],
            parameters={"epochs": "7", "rate": None},
            time_limit_seconds=60,
        ),
        201,
    )
    assert (made["queue"], made["position"]) == ("default", 1)
    run = lab.get(f"runs/{made['task_id']}")
    assert (run["name"], run["state"]) == ("a{b}", "queued")
    assert run["project"] == "Notebooks"
    values = {one["name"]: one["value"] for one in run["parameters"]}
    assert (values["epochs"], values["model"]) == ("7", "resnet")
    assert [artifact["key"] for artifact in run["artifacts"]] == ["bundle"]


def test_the_same_wish_twice_is_one_run(lab: Lab) -> None:
    write_notebook(lab.root / "twice.ipynb", SOURCE)
    first = lab.post("submit", form("twice.ipynb", queue="regression"), 201)
    again = lab.post("submit", form("twice.ipynb", queue="regression"), 201)
    assert again["task_id"] == first["task_id"]
    assert lab.get("runs", queue="regression")["total"] == 1


def test_gpus_are_asked_for_by_number_kind_and_node(
    lab: Lab, tracking: Server, offered: Offer
) -> None:
    write_notebook(lab.root / "gpus.ipynb", SOURCE)
    [queue] = [one for one in lab.get("queues")["queues"] if one["name"] == "vision"]
    assert (queue["free_slots"], queue["gpus"][0]["model"]) == (1, "A100")
    assert [one["mig_profile"] for one in queue["gpus"]] == ["", "1g.10gb"]
    assert queue["nodes"][0] == {
        "name": "nlp",
        "default_gpus": 1,
        "cpu_slots": 0,
        "known": True,
    }
    wanted = {
        "gpus": 2,
        "gpu_model": "A100",
        "node": "nlp",
        "gpu_min_memory_gib": 79.5,
        "mig_profile": "",
    }

    made = lab.post("submit", form("gpus.ipynb", queue="vision", **wanted), 201)

    path = f"runs/{made['task_id']}"
    assert asked(lab, path) == {
        "gpus": "2",
        "gpu_model": "A100",
        "node": "nlp",
        "gpu_min_memory_gib": "79.5",
    }


def test_a_repeat_asks_for_the_same_gpus_or_for_all_of_them_anew(
    lab: Lab, offered: Offer
) -> None:
    write_notebook(lab.root / "gpus.ipynb", SOURCE)
    wanted = {"gpus": 2, "gpu_model": "A100", "node": "nlp", "gpu_min_memory_gib": 40}
    first = form(
        "gpus.ipynb", queue="vision", idempotency_key="gpus to repeat", **wanted
    )
    path = f"runs/{lab.post('submit', first, 201)['task_id']}"
    wish = {"queue": "vision", "name": "again", "idempotency_key": "gpus as before"}

    again = lab.post(f"{path}/rerun", wish, 201)
    assert asked(lab, f"runs/{again['task_id']}") == asked(lab, path)

    other = {**wish, "mig_profile": "1g.10gb", "idempotency_key": "other gpus"}
    again = lab.post(f"{path}/rerun", other, 201)
    assert asked(lab, f"runs/{again['task_id']}") == {"mig_profile": "1g.10gb"}

    refused = lab.post(f"{path}/rerun", {**other, "gpus": 8}, 422)
    assert "cut: 7 x slice 1g.10gb of A100" in refused["fields"]["gpus"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"gpus": 3}, "gpus"),
        ({"gpus": -1}, "gpus"),
        ({"gpus": 65}, "gpus"),
        ({"gpus": "two"}, "gpus"),
        ({"gpu_model": "T4"}, "gpu_model"),
        ({"gpu_model": "A" * 81}, "gpu_model"),
        ({"gpus": 0, "gpu_model": "A100"}, "gpu_model"),
        ({"node": "mars"}, "node"),
        ({"node": "n" * 81}, "node"),
        ({"gpus": 1, "node": "cut"}, "node"),
        ({"gpu_min_memory_gib": 81}, "gpu_min_memory_gib"),
        ({"gpu_min_memory_gib": -1}, "gpu_min_memory_gib"),
        ({"gpu_min_memory_gib": 1e9}, "gpu_min_memory_gib"),
        ({"gpu_min_memory_gib": "much"}, "gpu_min_memory_gib"),
        ({"mig_profile": "3g.40gb"}, "mig_profile"),
        ({"mig_profile": "half"}, "mig_profile"),
        ({"mig_profile": "1g.10gb" * 9}, "mig_profile"),
        ({"gpus": 8, "mig_profile": "1g.10gb"}, "gpus"),
    ],
)
def test_gpus_that_are_not_to_be_had_are_refused_at_their_field(
    lab: Lab, offered: Offer, change: dict[str, Any], field: str
) -> None:
    write_notebook(lab.root / "gpus.ipynb", SOURCE)
    assert field in refusal(lab, form("gpus.ipynb", queue="vision", **change))


@pytest.fixture
def offered(tracking: Server) -> Offer:
    """What the board says of the queue vision."""
    gpus = (
        GpuOffer("nlp", "A100", 80 << 30, 2, 1),
        GpuOffer("cut", "A100", 10 << 30, 7, 4, mig_profile="1g.10gb"),
    )
    nodes = tuple(NodeOffer(name, default_gpus=1) for name in ("nlp", "cut"))
    offer = Offer(slots=2, free_slots=1, default_gpus=1, gpus=gpus, nodes=nodes)
    [queue] = tracking.call("queues.get_all", {"name": "^vision$"})["queues"]
    body = {"queue": queue["id"], "metadata": [as_item(offer, datetime.now(UTC))]}
    tracking.call("queues.add_or_update_metadata", body)
    return offer


def asked(lab: Lab, path: str) -> dict[str, str]:
    return {
        one["name"]: one["value"]
        for one in lab.get(path)["parameters"]
        if one["section"] == "Waylab" and one["name"] != "time_limit_seconds"
    }


def test_every_wrong_field_is_named_at_once(lab: Lab) -> None:
    write_notebook(lab.root / "wrong.ipynb", SOURCE)
    given = {"epochs": "many", "rate": "0.1", "unknown": "1"}
    wrong = refusal(lab, form("wrong.ipynb", parameters=given, files=["no/such file"]))
    assert set(wrong) == {"parameters.epochs", "parameters.unknown", "files"}
    assert "'many'" in wrong["parameters.epochs"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"queue": "no-such-queue"}, "queue"),
        ({"queue": ""}, "queue"),
        ({"name": " "}, "name"),
        ({"project": "ab"}, "project"),
        ({"time_limit_seconds": 0}, "time_limit_seconds"),
        ({"path": "missing.ipynb"}, "notebook"),
        ({"path": "../outside.ipynb"}, "path"),
        ({"path": "/../outside.ipynb"}, "path"),
        ({"path": ".hidden/a.ipynb"}, "path"),
        ({"files": ["../outside"]}, "files"),
        ({"files": [".ssh"]}, "files"),
    ],
)
def test_bad_input_is_refused_at_its_field(
    lab: Lab, change: dict[str, Any], field: str
) -> None:
    write_notebook(lab.root / "good.ipynb", SOURCE)
    assert field in refusal(lab, {**form("good.ipynb"), **change})


def test_a_hostile_parameter_name_is_refused(lab: Lab) -> None:
    write_notebook(lab.root / "hostile.ipynb", SOURCE)
    name = "x\nimport os"
    wrong = refusal(lab, form("hostile.ipynb", parameters={name: "1"}))
    assert set(wrong) == {f"parameters.{name}"}


def test_a_link_out_of_the_folder_is_refused(lab: Lab) -> None:
    outside = write_notebook(lab.root.parent / "outside.ipynb", SOURCE)
    (lab.root / "link.ipynb").symlink_to(outside)
    assert "outside of the lab's folder" in refusal(lab, form("link.ipynb"))["path"]


def test_a_run_is_repeated_with_an_edited_parameter(lab: Lab) -> None:
    write_notebook(lab.root / "again.ipynb", SOURCE)
    first = lab.post("submit", form("again.ipynb", parameters={"epochs": "5"}), 201)
    path = f"runs/{first['task_id']}/rerun"
    fields = {field["name"]: field for field in lab.get(path)["parameters"]}
    assert (fields["epochs"]["text"], fields["rate"]["is_none"]) == ("5", True)
    wish = {
        "queue": "nlp",
        "name": "again",
        "parameters": {"rate": "0.5"},
        "idempotency_key": "a wish to repeat",
    }
    made = lab.post(path, wish, 201)
    assert made["task_id"] != first["task_id"]
    run = lab.get(f"runs/{made['task_id']}")
    values = {one["name"]: one["value"] for one in run["parameters"]}
    assert (values["epochs"], values["rate"]) == ("5", "0.5")
    wrong = lab.post(path, {**wish, "parameters": {"epochs": "x"}}, 422)
    assert set(wrong["fields"]) == {"parameters.epochs"}
