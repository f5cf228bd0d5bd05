"""What a job's end means: the verdict that the agent gives where the runner gave none.

Pure: evidence in, verdict out. A verdict is never better than its evidence: only a
process that ended with status 0 by itself, and that owed no verdict of its own, has
completed.
"""

from __future__ import annotations

import signal as signals
from dataclasses import dataclass, replace

from waylab_agent.journal import StopCause
from waylab_agent.tasks import Status, TaskView
from waylab_clearml.verdict import Outcome, Reason, Verdict

_NO_PROGRAM = frozenset({126, 127})
"""With these a container ends whose program cannot be run."""


@dataclass(frozen=True)
class Evidence:
    """What is known about a job whose processes are gone.

    `exit_code` and `signal` are both None if nobody saw its end; `reached_script`:
    `clearml-agent` got as far as the task's own code; `oom_kills` counts the kernel's
    out-of-memory kills in the job's control group while it ran; `refused` is why its
    first process could not be started, `refusal` the reason to give for that.
    """

    exit_code: int | None = None
    signal: int | None = None
    oom_kills: int = 0
    reached_script: bool = False
    refused: str | None = None
    refusal: Reason = Reason.START_FAILED
    verdict: str | None = None
    stop: StopCause | None = None
    in_container: bool = False
    notebook: bool = False


def conclude(task: TaskView | None, evidence: Evidence) -> Verdict | None:
    """Give the verdict to write into the task, None if there is nothing to write.

    Nothing is to be written if the task has its end already, or is no longer the run
    that this job was (deleted, reset, queued again).
    """
    if task is None or task.status is not Status.IN_PROGRESS:
        return None
    told = Verdict.from_json(evidence.verdict) if evidence.verdict else None
    if told is not None and told.reason is Reason.ABORTED and evidence.stop is not None:
        # The runner knows that it was told to end, not why.
        ours = _ended_by_us(evidence.stop)
        return replace(told, outcome=ours.outcome, reason=ours.reason)
    return told or _judge(evidence)


def _ended_by_us(cause: StopCause) -> Verdict:
    if cause is StopCause.TIMEOUT:
        return _failed(Reason.TIMEOUT, "The time limit of the run's lease was reached.")
    if cause is StopCause.REVOKED:
        return _failed(
            Reason.AGENT_LOST,
            "The lease of the run's devices was taken back: an admin fenced the node, "
            "or the ledger no longer knew it.",
        )
    return _stopped("The run was aborted.")


def _judge(evidence: Evidence) -> Verdict:
    if evidence.stop is not None:
        return _ended_by_us(evidence.stop)
    if evidence.refused is not None:
        return _failed(
            evidence.refusal, f"The job could not be started: {evidence.refused}"
        )
    if evidence.signal is not None:
        return _killed(evidence.signal, evidence)
    if evidence.exit_code is not None:
        return _exited(evidence.exit_code, evidence)
    return _failed(
        Reason.AGENT_LOST,
        "The processes of this run disappeared before its end: they were killed, "
        "or the machine restarted.",
    )


def _exited(code: int, evidence: Evidence) -> Verdict:
    if not evidence.reached_script and evidence.in_container and code in _NO_PROGRAM:
        return _failed(
            Reason.IMAGE_UNFIT,
            "The image has no python3 that can be run: add one, or choose another.",
        )
    if not evidence.reached_script:
        return _failed(
            Reason.START_FAILED,
            f"clearml-agent could not start the task (exit status {code}): the last "
            "lines of the log say why.",
        )
    if evidence.notebook:
        return _failed(
            Reason.AGENT_LOST,
            f"The notebook's runner ended (exit status {code}) without a verdict.",
        )
    if code == 0:
        return Verdict(Outcome.COMPLETED, Reason.COMPLETED, "The script ended.")
    return _failed(Reason.SYSTEM_EXIT, f"The script ended with exit status {code}.")


def _killed(number: int, evidence: Evidence) -> Verdict:
    if number == signals.SIGKILL and evidence.oom_kills > 0:
        return _failed(
            Reason.OUT_OF_MEMORY,
            "The kernel killed the run because its memory was used up.",
        )
    try:
        name = signals.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if not evidence.reached_script:
        return _failed(
            Reason.START_FAILED, f"clearml-agent was ended by {name} as it started."
        )
    if evidence.notebook:
        return _failed(
            Reason.AGENT_LOST,
            f"The notebook's runner was ended by {name} and left no verdict.",
        )
    return _failed(Reason.SYSTEM_EXIT, f"The script was ended by {name}.")


def _failed(reason: Reason, message: str) -> Verdict:
    return Verdict(Outcome.FAILED, reason, message)


def _stopped(message: str) -> Verdict:
    return Verdict(Outcome.STOPPED, Reason.ABORTED, message)
