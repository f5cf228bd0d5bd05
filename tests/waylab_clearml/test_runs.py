"""Looking at runs, following them, stopping and repeating them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.served import SEVERAL_USERS

from waylab_clearml import runs
from waylab_clearml.client import Client
from waylab_clearml.errors import (
    BadRequest,
    ClearMLError,
    Forbidden,
    NotFound,
    ParameterError,
)
from waylab_clearml.names import current_user
from waylab_clearml.queues import list_queues
from waylab_clearml.runs import RunQuery, RunState
from waylab_clearml.submit import Submission, submit

pytestmark = pytest.mark.clearml


@pytest.fixture
def run_id(ann: Client, notebook: Path) -> str:
    return submit(ann, Submission(notebook, "default", project="Runs/one")).task_id


def start(client: Client, run_id: str) -> None:
    client.call("tasks.dequeue", {"task": run_id})
    client.call("tasks.started", {"task": run_id, "force": True})


def log(client: Client, run_id: str, *lines: tuple[int, str]) -> None:
    for timestamp, text in lines:
        event = {"type": "log", "task": run_id, "timestamp": timestamp, "msg": text}
        client.call("events.add", event)


def test_a_run_is_listed_with_its_names(ann: Client, run_id: str) -> None:
    (run,) = (run for run in runs.list_runs(ann, RunQuery()).runs if run.id == run_id)
    assert (run.name, run.project, run.owner, run.queue, run.state, run.notebook) == (
        "a{b}",
        "Runs/one",
        current_user(ann)[1],
        "default",
        RunState.QUEUED,
        True,
    )
    assert run.created is not None
    assert run.created.tzinfo is not None


@SEVERAL_USERS
def test_queries_narrow_the_list(ann: Client, bob: Client, run_id: str) -> None:
    def found(client: Client, query: RunQuery) -> bool:
        return run_id in {run.id for run in runs.list_runs(client, query).runs}

    assert found(ann, RunQuery(project="Runs"))
    assert found(ann, RunQuery(queue="default", state=RunState.QUEUED, text="A{B"))
    assert found(bob, RunQuery(user=None))
    assert not found(bob, RunQuery())
    assert not found(ann, RunQuery(project="Run"))
    assert not found(ann, RunQuery(queue="nowhere"))
    assert not found(ann, RunQuery(queue="vision"))
    assert not found(ann, RunQuery(state=RunState.FAILED))
    assert not found(ann, RunQuery(text="z"))


def test_pages_know_the_total(ann: Client, notebook: Path) -> None:
    for _ in range(3):
        submit(ann, Submission(notebook, "default", project="Runs/pages"))
    query = RunQuery(project="Runs/pages", page_size=2)
    first = runs.list_runs(ann, query)
    second = runs.list_runs(ann, RunQuery(project="Runs/pages", page=1, page_size=2))
    assert (len(first.runs), first.total) == (2, 3)
    assert (len(second.runs), second.total) == (1, 3)


def test_a_run_that_there_is_not_is_not_found(ann: Client) -> None:
    with pytest.raises(NotFound):
        runs.get_run(ann, "0" * 32)


def test_a_log_is_read_piece_by_piece_without_loss(ann: Client, run_id: str) -> None:
    start(ann, run_id)
    log(ann, run_id, (1000, "a"), (2000, "b"), (2000, "c"), (2000, "d"), (3000, "e"))
    texts: list[str] = []
    cursor: str | None = None
    while True:
        page = runs.read_log(ann, run_id, after=cursor, limit=2)
        texts += [line.text for line in page.lines]
        cursor = page.cursor
        if page.complete:
            break
    assert texts == ["a", "b", "c", "d", "e"]
    log(ann, run_id, (3000, "f"), (4000, "g"))
    page = runs.read_log(ann, run_id, after=cursor)
    assert [line.text for line in page.lines] == ["f", "g"]
    assert runs.read_log(ann, run_id, after=page.cursor).lines == ()


def test_a_cursor_of_another_kind_is_refused(ann: Client, run_id: str) -> None:
    with pytest.raises(BadRequest, match="not a cursor"):
        runs.read_log(ann, run_id, after="yesterday")


def test_scalars_are_curves(ann: Client, run_id: str) -> None:
    start(ann, run_id)
    for step, value in enumerate([1.0, 0.5]):
        event = {
            "type": "training_stats_scalar",
            "task": run_id,
            "timestamp": 1000 + step,
            "iter": step,
            "metric": "loss",
            "variant": "train",
            "value": value,
        }
        ann.call("events.add", event)
    (series,) = runs.scalars(ann, run_id)
    assert (series.metric, series.variant, series.x, series.y) == (
        "loss",
        "train",
        (0.0, 1.0),
        (1.0, 0.5),
    )


def test_a_waiting_run_is_taken_out_of_its_queue(ann: Client, run_id: str) -> None:
    run = runs.abort(ann, run_id)
    assert (run.state, run.reason, run.position) == (RunState.ABORTED, "aborted", None)


def test_a_running_run_is_asked_to_stop(ann: Client, run_id: str) -> None:
    start(ann, run_id)
    # The worker's report is the sign that somebody is there to hear it.
    ann.call("tasks.ping", {"task": run_id})
    run = runs.abort(ann, run_id)
    assert run.stopping or run.state is RunState.ABORTED


def test_aborting_what_has_ended_changes_nothing(ann: Client, run_id: str) -> None:
    start(ann, run_id)
    ann.call("tasks.completed", {"task": run_id, "status_reason": "completed"})
    assert runs.abort(ann, run_id).state is RunState.COMPLETED


@SEVERAL_USERS
def test_a_stranger_may_not_abort(bob: Client, run_id: str) -> None:
    with pytest.raises(ClearMLError) as caught:
        runs.abort(bob, run_id)
    assert isinstance(caught.value, Forbidden | NotFound)


def test_a_run_is_repeated_with_an_edited_parameter(ann: Client, run_id: str) -> None:
    again = runs.rerun(ann, run_id, {"mode": "slow"}, name="again")
    run = runs.get_run(ann, again.task_id)
    values = {one.name: one.value for one in run.parameters}
    assert (values["alpha"], values["mode"]) == ("0.5", "slow")
    assert (run.name, run.queue, run.project) == ("again", "default", "Runs/one")
    old, new = (runs.artifacts(ann, one)[0] for one in (run_id, again.task_id))
    assert old.sha256 == new.sha256
    assert old.uri != new.uri


def test_an_edit_in_another_client_counts_when_repeated(
    ann: Client, run_id: str
) -> None:
    ann.call(
        "tasks.edit_hyper_params",
        {
            "task": run_id,
            "force": True,
            "hyperparams": [{"section": "Notebook", "name": "alpha", "value": "0.75"}],
        },
    )
    again = runs.rerun(ann, run_id)
    values = {one.name: one.value for one in runs.parameters(ann, again.task_id)}
    assert values["alpha"] == "0.75"


def test_a_wrong_value_is_refused_when_repeating(ann: Client, run_id: str) -> None:
    with pytest.raises(ParameterError, match="alpha is 'x'"):
        runs.rerun(ann, run_id, {"alpha": "x"})


def test_a_run_that_has_not_started_has_no_output_notebook(
    ann: Client, run_id: str
) -> None:
    with pytest.raises(NotFound, match="no output notebook yet"):
        runs.live_notebook(ann, run_id)


def test_queues_tell_their_length_and_slots(
    ann: Client, run_id: str, notebook: Path
) -> None:
    queues = {queue.name: queue for queue in list_queues(ann)}
    assert set(queues) >= {"vision", "nlp", "regression", "default", "services"}
    assert list(queues)[-1] == "services"
    before = queues["default"].length
    submit(ann, Submission(notebook, "default"))
    after = {queue.name: queue for queue in list_queues(ann)}["default"]
    assert (after.length, after.slots, after.free_slots) == (before + 1, 0, 0)
