"""Submitting: once per key, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.served import SEVERAL_USERS

from waylab_clearml import bundle as bundles
from waylab_clearml import runs
from waylab_clearml.client import Client
from waylab_clearml.errors import (
    GpusError,
    ParameterError,
    SubmitError,
    Unreachable,
)
from waylab_clearml.options import GpuWish
from waylab_clearml.queues import find_queue
from waylab_clearml.submit import SCRIPT, Submission, submit

pytestmark = pytest.mark.clearml


class Failing(Client):
    """A client whose connection breaks before a given endpoint, once."""

    breaks_at: str = ""

    def call(
        self,
        endpoint: str,
        body: dict[str, Any] | None = None,
        *,
        execution: str = "",
    ) -> dict[str, Any]:
        if endpoint == self.breaks_at:
            self.breaks_at = ""
            msg = "broken for the test"
            raise Unreachable(msg)
        return super().call(endpoint, body, execution=execution)


def waiting_in(client: Client, queue: str, task_id: str) -> int:
    queue_id, _ = find_queue(client, queue)
    entries = client.call("queues.get_by_id", {"queue": queue_id})["queue"]["entries"]
    return sum(1 for entry in entries if entry["task"] == task_id)


def test_a_submitted_notebook_is_a_task_in_the_queue(
    ann: Client, notebook: Path
) -> None:
    submitted = submit(
        ann,
        Submission(
            notebook,
            "vision",
            parameters={"alpha": "0.25"},
            project="Team/digits",
            tags=("mine",),
            time_limit_seconds=60,
        ),
    )
    task = ann.call("tasks.get_by_id", {"task": submitted.task_id})["task"]
    assert task["status"] == "queued"
    assert task["type"] == "training"
    assert task["script"]["diff"] == SCRIPT
    assert task["script"]["entry_point"] == "waylab_notebook.py"
    assert sorted(task["tags"]) == ["mine", "notebook"]
    values = {
        (one.section, one.name): (one.value, one.type, one.help)
        for one in runs.parameters(ann, submitted.task_id)
    }
    assert values["Notebook", "alpha"] == ("0.25", "float", "how much")
    assert values["Notebook", "mode"] == ("fast", "str", "")
    assert values["Waylab", "time_limit_seconds"][0] == "60"
    assert submitted.queue == "vision"
    assert submitted.position == 1
    assert submitted.web_url.endswith(f"/experiments/{submitted.task_id}/output/log")


def test_the_bundle_comes_back_as_it_was_frozen(
    ann: Client, notebook: Path, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text("1,2")
    submitted = submit(
        ann, Submission(notebook, "default", files=(tmp_path / "data.csv",))
    )
    (artifact,) = runs.artifacts(ann, submitted.task_id)
    assert (artifact.key, artifact.input) == ("bundle", True)
    fetched = runs.fetch_bundle(ann, artifact, tmp_path)
    assert [file.path for file in fetched.manifest.files] == [
        "a{b}.ipynb",
        "data.csv",
    ]
    assert fetched.sha256 == artifact.sha256


def test_the_same_key_gives_the_same_task(ann: Client, notebook: Path) -> None:
    submission = Submission(notebook, "default", idempotency_key="same")
    first, second = submit(ann, submission), submit(ann, submission)
    assert first.task_id == second.task_id
    assert waiting_in(ann, "default", first.task_id) == 1


@SEVERAL_USERS
def test_the_same_key_of_another_user_is_another_task(
    ann: Client, bob: Client, notebook: Path
) -> None:
    submission = Submission(notebook, "default", idempotency_key="shared")
    assert submit(ann, submission).task_id != submit(bob, submission).task_id


def test_two_submits_at_once_leave_one_task(
    connect: Callable[[str], Client], notebook: Path
) -> None:
    submission = Submission(notebook, "default", idempotency_key="race")
    found: list[str] = []
    barrier = threading.Barrier(2)

    def go(client: Client) -> None:
        barrier.wait()
        found.append(submit(client, submission).task_id)

    threads = [threading.Thread(target=go, args=(connect("ann"),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert waiting_in(connect("ann"), "default", found[0]) == 1


@pytest.mark.parametrize(
    "step", ["tasks.create", "tasks.add_or_update_artifacts", "tasks.enqueue"]
)
def test_a_submit_that_broke_off_is_finished_by_the_next(
    ann: Client, notebook: Path, step: str
) -> None:
    submission = Submission(notebook, "nlp", idempotency_key=f"broken at {step}")
    with Failing(ann.credentials) as failing:
        failing.breaks_at = step
        with pytest.raises(Unreachable):
            submit(failing, submission)
    drafts = runs.list_runs(ann, runs.RunQuery(state=runs.RunState.QUEUED, queue="nlp"))
    before = {run.id for run in drafts.runs}
    submitted = submit(ann, submission)
    assert submitted.task_id not in before
    assert runs.get_run(ann, submitted.task_id).state is runs.RunState.QUEUED
    assert waiting_in(ann, "nlp", submitted.task_id) == 1
    assert runs.artifacts(ann, submitted.task_id)[0].key == "bundle"


def test_an_unknown_queue_leaves_nothing_behind(ann: Client, notebook: Path) -> None:
    before = runs.list_runs(ann, runs.RunQuery()).total
    with pytest.raises(SubmitError, match=r"no queue 'vison'; there are: .*vision"):
        submit(ann, Submission(notebook, "vison"))
    assert runs.list_runs(ann, runs.RunQuery()).total == before


@pytest.mark.parametrize(
    ("more", "error", "told"),
    [
        ({"parameters": {"beta": 1}}, ParameterError, "'beta' is not a parameter"),
        ({"parameters": {"alpha": "much"}}, ParameterError, "alpha is 'much'"),
        ({"name": "x"}, SubmitError, "'x' is too short"),
        ({"project": "x"}, SubmitError, "'x' is too short"),
        ({"time_limit_seconds": 0}, SubmitError, "must be above 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(
    ann: Client,
    notebook: Path,
    more: dict[str, Any],
    error: type[Exception],
    told: str,
) -> None:
    before = runs.list_runs(ann, runs.RunQuery()).total
    with pytest.raises(error, match=told):
        submit(ann, Submission(notebook, "default", **more))
    assert runs.list_runs(ann, runs.RunQuery()).total == before


def test_equal_notebooks_make_equal_bundles(
    ann: Client, notebook: Path, tmp_path: Path
) -> None:
    first = submit(ann, Submission(notebook, "default"))
    second = submit(ann, Submission(notebook, "default"))
    hashes = {runs.artifacts(ann, one.task_id)[0].sha256 for one in (first, second)}
    frozen = bundles.freeze(notebook, files=[], root=tmp_path, into=tmp_path / "b")
    assert hashes == {frozen.sha256}


def test_a_run_asks_for_gpus_and_its_repeat_does_too(
    ann: Client, notebook: Path
) -> None:
    wish = Submission(
        notebook,
        "vision",
        gpus=2,
        gpu_model="A100",
        node="nlp",
        gpu_min_memory_gib=40,
        mig_profile="3g.40gb",
    )
    first = submit(ann, wish).task_id
    again = runs.rerun(ann, first).task_id

    wanted = {
        "time_limit_seconds": "",
        "gpus": "2",
        "gpu_model": "A100",
        "node": "nlp",
        "gpu_min_memory_gib": "40",
        "mig_profile": "3g.40gb",
    }
    assert [options(ann, first), options(ann, again)] == [wanted, wanted]


@pytest.mark.parametrize(
    ("wanted", "field", "said"),
    [
        ({"gpus": -1}, "gpus", "number of GPUs is -1"),
        ({"gpus": 65}, "gpus", "number of GPUs is 65"),
        ({"gpu_model": "A\n100"}, "gpu_model", "is no model of a GPU"),
        ({"gpus": 0, "gpu_model": "A100"}, "gpu_model", "none can be a 'A100'"),
        (
            {"gpu_min_memory_gib": -1},
            "gpu_min_memory_gib",
            "least memory of a GPU is -1 GiB",
        ),
        (
            {"gpus": 0, "gpu_min_memory_gib": 40},
            "gpu_min_memory_gib",
            "none can be of 40 GiB",
        ),
        ({"mig_profile": "half"}, "mig_profile", "'half' is no profile of a slice"),
        (
            {"mig_profile": "1g.10gb", "gpus": 0},
            "mig_profile",
            "none can be a slice 1g.10gb",
        ),
        ({"node": "a\tb"}, "node", "is no name of a node"),
    ],
)
def test_gpus_that_cannot_be_anywhere_are_refused_at_their_field(
    ann: Client, notebook: Path, wanted: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(GpusError, match=said) as refusal:
        submit(ann, Submission(notebook, "vision", **wanted))
    assert refusal.value.field == field


def test_a_repeat_that_asks_anew_asks_for_nothing_of_before(
    ann: Client, notebook: Path
) -> None:
    wish = Submission(
        notebook, "vision", gpus=2, gpu_model="A100", node="nlp", gpu_min_memory_gib=40
    )
    first = submit(ann, wish).task_id
    again = runs.rerun(ann, first, gpus=GpuWish(mig_profile="1g.10gb")).task_id

    assert options(ann, again) == {"time_limit_seconds": "", "mig_profile": "1g.10gb"}


def options(client: Client, task: str) -> dict[str, str]:
    found = client.call("tasks.get_by_id", {"task": task})["task"]
    return {
        name: item["value"] for name, item in found["hyperparams"]["Waylab"].items()
    }
