"""One job, from the claim of its task to the end of its last trace.

What a job does next follows from its journal entry alone, so that a fresh start and
the recovery after a crash are the same code. `supervise` looks after the processes and
needs no network; `advance` deals with the server and may fail at any request: it is
called again at the next turn.
"""

from __future__ import annotations

import logging
import time
from enum import StrEnum

from waylab_agent import claims, orders, verdicts
from waylab_agent.ending import Evidence, conclude
from waylab_agent.errors import (
    GrantGone,
    ImageError,
    JournalError,
    RuntimeAway,
    StartError,
)
from waylab_agent.gate import Grant
from waylab_agent.journal import JobEntry, JobFolder, Phase, StopCause
from waylab_agent.launch import Record
from waylab_agent.means import Means
from waylab_agent.runtime import Runtime
from waylab_agent.shipping import Shipper
from waylab_agent.tasks import Status, TaskView, must_stop, view
from waylab_clearml.errors import BadRequest, Forbidden
from waylab_clearml.verdict import Reason, Verdict
from waylab_ledger.values import Proof, ProofKind
from waylab_site.errors import AccountError

logger = logging.getLogger(__name__)

LINGER_SECONDS = 300.0
"""Time that a job has for its last uploads after its task got its end."""
REFUSALS_TO_GIVE_UP = 10
SCRIPT_BEGINS = b"\nStarting Task Execution:"
_PREAMBLE_LIMIT_BYTES = 8 << 20


class Life(StrEnum):
    """Whether a job has processes."""

    NONE_YET = "none yet"
    RUNNING = "running"
    """As far as is known: nothing has proved the contrary."""
    GONE = "gone"


class Job:
    """One task that this node runs, or is about to run."""

    def __init__(
        self,
        means: Means,
        folder: JobFolder,
        entry: JobEntry,
        *,
        recovered: bool = False,
    ) -> None:
        """Take up a job at the phase that its entry tells.

        `recovered`: the entry is of an earlier life of the agent.
        """
        self.entry = entry
        self.done = False
        self._means = means
        self._folder = folder
        self._recovered = recovered
        self._life = Life.NONE_YET
        self._abandoned = False
        self._released = False
        self._term_sent_at: float | None = None
        self._refused: str | None = None
        self._refusal: Reason | None = None
        self._ended_at: float | None = None
        self._refusals = 0
        self._shipper = Shipper(
            means.client, folder, entry.task_id, self.worker, entry.claim
        )

    @property
    def worker(self) -> str:
        """The ClearML worker that runs this job."""
        return orders.worker_of(self._means, self.entry)

    @property
    def grant(self) -> Grant:
        """The gate's grant that it runs under."""
        return self.entry.as_grant()

    @property
    def is_running(self) -> bool:
        """Whether its processes live."""
        return self._life is Life.RUNNING

    @property
    def is_under_way(self) -> bool:
        """Whether this agent answers for the task's execution: it was marked started,
        and is neither over nor somebody else's by now.
        """
        started = self.entry.phase in (Phase.STARTING, Phase.RUNNING)
        return started and self.entry.stop is not StopCause.SUPERSEDED

    @property
    def is_held(self) -> bool:
        """Whether something of it may run, or is about to: its lease is in use."""
        return not self._released

    @property
    def _runtime(self) -> Runtime:
        return self._means.runtime_for(self.entry)

    def attach(self) -> None:
        """Find the job's processes again after a restart of the agent."""
        if self._runtime.attach(self.entry, self._folder):
            self._life = Life.RUNNING  # Until `supervise` has proved the contrary.
            logger.info("Job %s was started: attached again", self.entry.task_id)

    def stop(self, cause: StopCause) -> None:
        """Have the job ended; it is over when its processes are gone."""
        if self.entry.stop is not None:
            return
        logger.info("Stopping job %s: %s", self.entry.task_id, cause)
        try:
            self._write(stop=cause)
        except JournalError as error:
            logger.warning("It is stopped all the same: %s", error)

    def revoke(self) -> None:
        """Have the job ended because its lease is gone, unless it has ended by itself.

        A lease is also freed because the node was seen without the job: then it is the
        job's own end that counts.
        """
        try:
            if self._runtime.gone(self.entry, self._folder) is None:
                self.stop(StopCause.REVOKED)
        except RuntimeAway as error:
            # Nothing can be ended there now; whoever found it out asks again.
            logger.debug("Job %s: %s", self.entry.task_id, error)

    def supervise(self, now: float) -> None:
        """Look after the processes; `now` is in seconds, monotonic.

        The grant is released here, on the proof that no process of the job is left.
        """
        if self._life is not Life.RUNNING:
            return
        try:
            proof = self._runtime.gone(self.entry, self._folder)
            if proof is None:
                if self.entry.stop is not None:
                    self._end(now)
                return
            self._release(proof)
        except (JournalError, RuntimeAway) as error:
            logger.debug("Job %s: %s", self.entry.task_id, error)
            return
        self._life = Life.GONE
        logger.info("Job %s has ended: %s", self.entry.task_id, proof.detail)

    def advance(self, task: TaskView | None) -> None:
        """Do what the server is needed for; `task` is as just seen there.

        Raises:
            ClearMLError: the server does not answer; call again.
            GateAway, RuntimeAway: the board, or the engine, does not; call again.
        """
        if self._life is Life.GONE:
            self._finish(task)
        elif self._life is Life.RUNNING:
            self._watch(task)
        elif self.entry.phase is Phase.CLAIMING:
            self._resolve(task)
        elif self.entry.phase is Phase.CLAIMED:
            self._begin(task)
        else:
            self._start(task)

    def take(self) -> bool:
        """Claim the task and start it; False if somebody else has it.

        Raises:
            ClearMLError, GateAway, RuntimeAway: somebody did not answer; `advance`
                goes on from there.
        """
        if not claims.take(self._means.client, self.entry):
            self._drop()
            return False
        self._write(phase=Phase.CLAIMED)
        self._begin(
            view(self._means.client, [self.entry.task_id]).get(self.entry.task_id)
        )
        return not self.done

    def _resolve(self, task: TaskView | None) -> None:
        """Find out what became of a claim that was interrupted."""
        if claims.in_some_queue(self._means.client, self.entry.task_id):
            self._drop()
        else:
            self._write(phase=Phase.CLAIMED)
            self._begin(task)

    def _begin(self, task: TaskView | None) -> None:
        try:
            is_ours = self._means.gate.renew(self.grant)
        except GrantGone as error:
            logger.info("Job %s has lost its lease: %s", self.entry.task_id, error)
            if task is not None and claims.is_started(task, self.entry.claim):
                # A crash came between the mark and the start: nothing runs, and
                # nobody else would ever give the task an end.
                self._refuse(error, Reason.AGENT_LOST)
                return
            is_ours = False
        if not is_ours:
            if task is not None and task.status is Status.QUEUED:
                claims.give_back(self._means.client, self.entry)
                logger.info("No slot for job %s: given back", self.entry.task_id)
                self._drop()
            elif task is None or not claims.is_started(task, self.entry.claim):
                logger.info("Task %s is not ours to run", self.entry.task_id)
                self._drop()
            return
        if not claims.begin(self._means.client, self.entry, task, self.worker):
            logger.info("Task %s is not ours to run", self.entry.task_id)
            self._drop()
            return
        self._write(phase=Phase.STARTING, notebook=bool(task and task.notebook))
        self._start(task)

    def _start(self, task: TaskView | None) -> None:
        cause = self.entry.stop or must_stop(task, self.entry.claim)
        if cause is not None and not (task and task.status is Status.QUEUED):
            self._write(stop=cause)
            self._life = Life.RUNNING  # A start may be under way.
            return
        try:
            if not self._means.gate.renew(self.grant):
                return
            running = self._runtime.start(self.entry, self._folder)
        except GrantGone as error:
            self._refuse(error, Reason.AGENT_LOST)
            return
        except ImageError as error:
            self._refuse(error, error.reason)
            return
        except (AccountError, StartError, BadRequest, Forbidden) as error:
            self._refuse(error, Reason.START_FAILED)
            return
        if running is None:
            return
        self._life = Life.RUNNING
        self._write(
            phase=Phase.RUNNING,
            process=running.process,
            container=running.container,
            engine_id=running.engine_id,
        )
        logger.info("Job %s runs in slot %s", self.entry.task_id, self.grant.slot)
        self._activate()

    def _refuse(self, error: Exception, reason: Reason) -> None:
        logger.warning("Job %s cannot start: %s", self.entry.task_id, error)
        self._refused, self._refusal = str(error), reason
        # What a start may have left behind is proved away like any other job.
        self._life = Life.RUNNING

    def _activate(self) -> None:
        """Have the gate know that the job runs; where it may not, it is stopped."""
        holds = self._means.gate.activate(
            self.grant, engine_id=self.entry.engine_id, found=self.entry.container
        )
        if not holds:
            self.revoke()

    def _watch(self, task: TaskView | None) -> None:
        if self._abandoned:
            return
        if self.entry.phase is Phase.RUNNING:
            self._activate()
        cause = must_stop(task, self.entry.claim)
        if cause is None and task and task.has_ended:
            cause = self._lingers()
        if cause is not None:
            self.stop(cause)
        if task is not None and not self._is_superseded(task):
            self._ship(final=False)

    def _is_superseded(self, task: TaskView) -> bool:
        return must_stop(task, self.entry.claim) is StopCause.SUPERSEDED

    def _lingers(self) -> StopCause | None:
        """Say whether a job goes on long after its task got its end."""
        now = time.monotonic()
        if self._ended_at is None:
            self._ended_at = now
        long_ago = now - self._ended_at >= LINGER_SECONDS
        return StopCause.SUPERSEDED if long_ago else None

    def _finish(self, task: TaskView | None) -> None:
        """Send the rest of the log, settle the task, and forget the job."""
        if self._abandoned:
            self._drop()
            return
        record = self._runtime.record(self.entry, self._folder)
        if record is None:
            return
        if task is not None and not self._is_superseded(task):
            if not self._ship(final=True):
                return
            verdict = conclude(task, self._evidence(record))
            if verdict is not None and not self._settle(verdict):
                return
        self._drop()

    def _settle(self, verdict: Verdict) -> bool:
        """Write the verdict; a refusal is no reason to forget the job at once."""
        if verdicts.write(self._means, self.entry, verdict):
            return True
        self._refusals += 1
        return self._refusals >= REFUSALS_TO_GIVE_UP

    def _ship(self, *, final: bool) -> bool:
        """Bring the log to the server; True if there is nothing more to bring."""
        try:
            return self._shipper.ship(final=final)
        except (BadRequest, Forbidden) as error:
            logger.warning("The log of %s is refused: %s", self.entry.task_id, error)
            return True

    def _evidence(self, record: Record) -> Evidence:
        return Evidence(
            exit_code=record.exit_code,
            signal=record.signal,
            oom_kills=record.oom_kills,
            reached_script=self._reached_script(),
            refused=self._refused or record.refused,
            refusal=self._refusal or Reason.START_FAILED,
            verdict=record.verdict,
            stop=self.entry.stop,
            in_container=self.entry.in_container,
            notebook=self.entry.notebook,
        )

    def _reached_script(self) -> bool:
        try:
            with self._folder.console.open("rb") as console:
                return SCRIPT_BEGINS in console.read(_PREAMBLE_LIMIT_BYTES)
        except FileNotFoundError:
            return False

    def _end(self, now: float) -> None:
        if self._term_sent_at is None:
            self._term_sent_at = now
            self._runtime.end(self.entry, self._folder, by_force=False)
        elif now - self._term_sent_at >= self._means.settings.grace_seconds:
            self._runtime.end(self.entry, self._folder, by_force=True)

    def _release(self, proof: Proof) -> None:
        if not self._released:
            self._means.gate.release(self.grant, proof)
            self._released = True

    def _drop(self) -> None:
        """Forget the job: at once, or once nothing of it is proved to be left."""
        if not self._released:
            if self._recovered:
                self._abandoned, self._life = True, Life.RUNNING
                return
            detail = "Nothing was started for it."
            by = self._means.epoch
            self._release(Proof(ProofKind.NEVER_STARTED, by=by, detail=detail))
        self._runtime.clear(self.entry, self._folder)
        self._folder.remove()
        self.done = True

    def _write(self, **changes: object) -> None:
        self.entry = self.entry.model_copy(update=changes)
        self._folder.write(self.entry)
