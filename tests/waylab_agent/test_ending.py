from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waylab_agent.ending import Evidence, conclude
from waylab_agent.journal import StopCause
from waylab_agent.tasks import Status, TaskView, must_stop
from waylab_clearml.verdict import Outcome, Reason, Verdict

RUNNING = TaskView("t", Status.IN_PROGRESS)
SCRIPT = Evidence(reached_script=True)


def reason(evidence: Evidence) -> tuple[Outcome, Reason]:
    verdict = conclude(RUNNING, evidence)
    assert verdict is not None
    return verdict.outcome, verdict.reason


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(exit_code=0, reached_script=True), Reason.COMPLETED),
        (Evidence(exit_code=3, reached_script=True), Reason.SYSTEM_EXIT),
        (Evidence(exit_code=0), Reason.START_FAILED),
        (Evidence(exit_code=1), Reason.START_FAILED),
        (Evidence(refused="no account"), Reason.START_FAILED),
        (Evidence(reached_script=True), Reason.AGENT_LOST),
        (Evidence(exit_code=0, reached_script=True, notebook=True), Reason.AGENT_LOST),
        (
            Evidence(signal=signal.SIGKILL, oom_kills=1, reached_script=True),
            Reason.OUT_OF_MEMORY,
        ),
        (Evidence(signal=signal.SIGKILL, reached_script=True), Reason.SYSTEM_EXIT),
        (
            Evidence(signal=signal.SIGTERM, oom_kills=1, reached_script=True),
            Reason.SYSTEM_EXIT,
        ),
        (
            Evidence(signal=signal.SIGKILL, reached_script=True, notebook=True),
            Reason.AGENT_LOST,
        ),
        (Evidence(exit_code=0, stop=StopCause.ABORTED), Reason.ABORTED),
    ],
)
def test_the_reason_follows_from_the_evidence(
    evidence: Evidence, expected: Reason
) -> None:
    assert reason(evidence)[1] is expected


def test_the_runner_s_own_verdict_comes_first() -> None:
    told = Verdict(Outcome.FAILED, Reason.CELL_ERROR, "Cell 3 failed.", cell=2)
    evidence = Evidence(exit_code=0, verdict=told.to_json(), stop=StopCause.ABORTED)
    assert conclude(RUNNING, evidence) == told


def test_a_verdict_that_is_none_is_not_believed() -> None:
    evidence = Evidence(exit_code=1, reached_script=True, verdict='{"format": 1}')
    assert reason(evidence) == (Outcome.FAILED, Reason.SYSTEM_EXIT)


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.IN_PROGRESS])
def test_a_task_that_has_its_end_is_left_alone(status: Status) -> None:
    assert conclude(TaskView("t", status), Evidence(exit_code=1)) is None
    assert conclude(None, Evidence(exit_code=1)) is None


@given(
    st.builds(
        Evidence,
        exit_code=st.none() | st.integers(0, 255),
        signal=st.none() | st.integers(1, 64),
        oom_kills=st.integers(0, 2),
        reached_script=st.booleans(),
        refused=st.none() | st.just("refused"),
        verdict=st.none() | st.text(),
        stop=st.none() | st.sampled_from(StopCause),
        notebook=st.booleans(),
    )
)
def test_only_a_script_that_ended_well_by_itself_has_completed(
    evidence: Evidence,
) -> None:
    completed = reason(evidence)[0] is Outcome.COMPLETED
    assert completed == (
        evidence.exit_code == 0
        and evidence.signal is None
        and evidence.stop is None
        and evidence.refused is None
        and evidence.reached_script
        and not evidence.notebook
    )


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        (TaskView("t", Status.IN_PROGRESS), None),
        (
            TaskView("t", Status.IN_PROGRESS, status_message="stopping"),
            StopCause.ABORTED,
        ),
        (TaskView("t", Status.STOPPED), StopCause.ABORTED),
        (TaskView("t", Status.CREATED), StopCause.SUPERSEDED),
        (TaskView("t", Status.QUEUED), StopCause.SUPERSEDED),
        (None, StopCause.SUPERSEDED),
        (TaskView("t", Status.COMPLETED), None),
        (TaskView("t", Status.FAILED), None),
        (TaskView("t", Status.FAILED, "agent-lost"), StopCause.SUPERSEDED),
    ],
)
def test_when_a_running_job_must_stop(
    task: TaskView | None, cause: StopCause | None
) -> None:
    assert must_stop(task) is cause


def test_a_task_that_another_claim_has_started_is_another_run() -> None:
    task = TaskView("t", Status.IN_PROGRESS, "Claimed by n2:gpu0 (fedc)")
    assert must_stop(task, "0123") is StopCause.SUPERSEDED
    assert must_stop(task, "fedc") is None
    assert must_stop(TaskView("t", Status.IN_PROGRESS, "started"), "0123") is None
