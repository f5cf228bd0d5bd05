"""The starters run with the real kernel and SDK, and what they record arrives."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_clearml.runs import RunQuery, list_runs, scalars, single_values
from waylab_tracking.testing import running_server

FOLDER = Path(__file__).parents[2] / "templates" / "notebooks"
LONGEST_SECONDS = 120
SETTLING_SECONDS = 30
JPEG = b"\xff\xd8\xff"


class Recorded:
    """What a run left at the tracking server, asked for with its user's own key."""

    def __init__(self, client: Client, run_id: str) -> None:
        self.client = client
        self.run_id = run_id

    def task(self) -> dict[str, Any]:
        task: dict[str, Any] = self.client.call(
            "tasks.get_by_id", {"task": self.run_id}
        )
        found: dict[str, Any] = task["task"]
        return found

    def curves(self) -> dict[str, set[str]]:
        """Return the charts and their curves, without the machine's and the sums."""
        charts: dict[str, set[str]] = {}
        for series in scalars(self.client, self.run_id):
            if not series.metric.startswith((":", "Summary")):
                charts.setdefault(series.metric, set()).add(series.variant)
        return charts

    def points(self, metric: str, variant: str) -> tuple[float, ...]:
        (series,) = (
            s
            for s in scalars(self.client, self.run_id)
            if (s.metric, s.variant) == (metric, variant)
        )
        return series.y

    def plots(self) -> set[str]:
        answer = self.client.call("events.get_task_plots", {"task": self.run_id})
        return {plot["metric"] for plot in answer["plots"]}

    def images(self) -> list[dict[str, Any]]:
        answer = self.client.call(
            "events.get_task_events",
            {"task": self.run_id, "event_type": "training_debug_image"},
        )
        events: list[dict[str, Any]] = answer["events"]
        return events

    def models(self) -> list[dict[str, Any]]:
        linked = self.task()["models"]["output"]
        return [
            self.client.call("models.get_by_id", {"model": model["model"]})["model"]
            for model in linked
        ]

    def download(self, url: str) -> bytes:
        return b"".join(self.client.download(url))


Start = Callable[[str], Recorded]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Yield what runs a starter by name, as a user would in a lab."""
    with running_server(tmp_path_factory.mktemp("tracking")) as server:
        access_key, secret_key = server.create_user("maria")
        credentials = Credentials(
            api_url=server.url,
            web_url=server.url,
            files_url=server.files_url,
            access_key=access_key,
            secret_key=secret_key,
        )
        with Client(credentials) as client:

            def run(name: str) -> Recorded:
                folder = tmp_path_factory.mktemp(name)
                before = {run.id for run in list_runs(client, RunQuery()).runs}
                _execute(FOLDER / f"{name}.ipynb", folder, credentials)
                (new,) = (
                    run
                    for run in list_runs(client, RunQuery()).runs
                    if run.id not in before
                )
                return Recorded(client, new.id)

            yield run


def _execute(path: Path, folder: Path, credentials: Credentials) -> None:
    env = {**os.environ, **sdk_environment(credentials), "HOME": str(folder)}
    text = path.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    # A kernel that takes longer says on its standard error where it is, and ends.
    slow = threading.Timer(LONGEST_SECONDS, _abort, [client])
    slow.start()
    try:
        client.execute(env={**env, "PYTHONFAULTHANDLER": "1"})
    finally:
        slow.cancel()


def _abort(client: NotebookClient) -> None:
    manager: Any = client.km
    os.kill(manager.provisioner.pid, signal.SIGABRT)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SETTLING_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_vision_records_curves_pictures_and_its_model(start: Start) -> None:
    run = start("vision-digits")

    assert run.curves() == {"loss": {"train", "test"}, "accuracy": {"train", "test"}}
    assert len(run.points("loss", "test")) == 12
    assert run.points("accuracy", "test")[-1] > 0.9
    assert single_values(run.client, run.run_id)["test accuracy"] > 0.9
    assert "confusion matrix" in run.plots()
    pictures = run.images()
    assert {(image["metric"], image["iter"]) for image in pictures} >= {
        ("predictions", 4),
        ("predictions", 8),
        ("predictions", 12),
    }
    assert run.download(pictures[0]["url"]).startswith(JPEG)
    assert run.task()["hyperparams"]["Notebook"]["epochs"]["value"] == "12"
    (model,) = run.models()
    assert len(run.download(model["uri"])) > 1000
    assert eventually(lambda: run.task()["status"] == "completed")


def test_nlp_records_a_table_of_prompts_and_responses(start: Start) -> None:
    run = start("nlp-text-classifier")

    assert run.curves() == {"loss": {"train", "test"}, "F1": {"train", "test"}}
    assert run.points("loss", "test")[0] > run.points("loss", "test")[-1]
    assert run.plots() >= {"prompts and responses", "confusion matrix"}
    assert len(run.models()) == 1


def test_regression_records_mse_and_r2_tree_by_tree(start: Start) -> None:
    run = start("regression-diabetes")

    assert run.curves() == {
        "MSE": {"train", "validation"},
        "R2": {"train", "validation"},
    }
    assert len(run.points("R2", "validation")) == 120
    assert run.points("R2", "validation")[-1] > 0.4
    assert run.points("MSE", "train")[0] > run.points("MSE", "train")[-1]
    assert run.plots() >= {"feature importance", "prediction against truth"}
    assert len(run.models()) == 1
