"""The agent's loop: look at the jobs, then at the queues, then report."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence

from waylab_agent.errors import JournalError
from waylab_agent.gate import Candidate, Grant
from waylab_agent.job import Job
from waylab_agent.journal import GrantEntry, JobEntry, StopCause
from waylab_agent.means import Means
from waylab_agent.slots import Slot
from waylab_agent.tasks import view
from waylab_agent.workers import Workers
from waylab_clearml.errors import ApiError, ClearMLError

logger = logging.getLogger(__name__)

_CLAIM_BYTES = 8


class Agent:
    """Runs a node's jobs. Not for use by several threads."""

    def __init__(self, means: Means, slots: Sequence[Slot], workers: Workers) -> None:
        """Nothing is done before `recover` and `turn`."""
        self._means = means
        self._workers = workers
        self._names = tuple(dict.fromkeys(q for slot in slots for q in slot.queues))
        self._queue_ids: dict[str, str] = {}
        self._jobs: dict[str, Job] = {}
        self._trouble = ""

    @property
    def is_idle(self) -> bool:
        """Whether the agent has no job at all."""
        return not self._jobs

    def recover(self) -> None:
        """Take up the jobs that the journal knows. Call once, before the first turn.

        What runs gets its slot back before what was only claimed.
        """
        jobs = []
        for folder in self._means.journal.folders():
            try:
                jobs.append(Job(self._means, folder, folder.read()))
            except JournalError as error:
                logger.error("%s", error)  # noqa: TRY400 - the message says it all.
        for job in jobs:
            job.attach()
        for job in sorted(jobs, key=lambda job: not job.is_running):
            if not self._means.gate.renew(job.grant):
                logger.warning("Job %s finds its slot taken", job.entry.task_id)
            self._jobs[job.entry.task_id] = job

    def turn(self, *, accept: bool = True) -> None:
        """Do one round; `accept`: take new tasks too. Errors are told and outlived."""
        for job in self._jobs.values():
            job.supervise(time.monotonic())
        try:
            self._advance()
            if accept:
                self._accept()
            self._report()
        except ClearMLError as error:
            self._tell(f"The tracking server is waited for: {error}")
        except JournalError as error:
            self._tell(str(error))
        else:
            self._tell("")

    def stop_all(self) -> None:
        """Have all jobs aborted; they end in the turns that follow."""
        for job in self._jobs.values():
            job.stop(StopCause.ABORTED)

    def leave(self) -> None:
        """Take the workers off the server's list; the jobs go on."""
        try:
            self._workers.unregister()
        except ClearMLError as error:
            logger.info("The workers stay on the list: %s", error)

    def _advance(self) -> None:
        tasks = view(self._means.client, list(self._jobs))
        for task_id, job in list(self._jobs.items()):
            try:
                job.advance(tasks.get(task_id))
            except ApiError as error:
                logger.warning("Job %s: %s", task_id, error)
            if job.done:
                del self._jobs[task_id]

    def _accept(self) -> None:
        """Take tasks while the gate has room and the queues have entries."""
        while queues := self._means.gate.offer():
            candidates = self._candidates(queues)
            grant = self._means.gate.grant(candidates)
            if grant is None or not self._take(grant):
                return

    def _take(self, grant: Grant) -> bool:
        entry = JobEntry(
            task_id=grant.task_id,
            queue=grant.queue,
            queue_id=self._queue_ids[grant.queue],
            grant=GrantEntry(id=grant.id, slot=grant.slot, devices=grant.devices),
            claim=secrets.token_hex(_CLAIM_BYTES),
        )
        try:
            folder = self._means.journal.create(entry)
        except JournalError:
            self._means.gate.release(grant)
            raise
        job = Job(self._means, folder, entry)
        self._jobs[grant.task_id] = job
        try:
            job.take()
        except ApiError as error:
            logger.warning("Job %s: %s", grant.task_id, error)
        if job.done:
            del self._jobs[grant.task_id]
        return True

    def _candidates(self, queues: Sequence[str]) -> list[Candidate]:
        """Give the queues' entries in order, without the tasks of our jobs."""
        self._look_up_queues()
        ids = {
            self._queue_ids[name]: name for name in queues if name in self._queue_ids
        }
        if not ids:
            return []
        body = {
            "id": list(ids),
            "only_fields": ["id", "entries"],
            "search_hidden": True,
        }
        answer = self._means.client.call("queues.get_all", body)
        entries = {
            ids[queue["id"]]: queue.get("entries") or ()
            for queue in answer.get("queues") or ()
            if queue.get("id") in ids
        }
        return [
            Candidate(task_id=str(entry["task"]), queue=name)
            for name in queues
            for entry in entries.get(name, ())
            if entry["task"] not in self._jobs
        ]

    def _look_up_queues(self) -> None:
        if len(self._queue_ids) == len(self._names):
            return
        body = {"only_fields": ["id", "name"], "search_hidden": True}
        answer = self._means.client.call("queues.get_all", body)
        found = {
            str(queue["name"]): str(queue["id"])
            for queue in answer.get("queues") or ()
            if queue.get("name") in self._names
        }
        missing = set(self._names) - set(found)
        if missing and (not self._queue_ids or found != self._queue_ids):
            logger.warning("No such queue yet: %s", ", ".join(sorted(missing)))
        self._queue_ids = found

    def _report(self) -> None:
        self._look_up_queues()
        tasks = {
            job.grant.slot: task_id
            for task_id, job in self._jobs.items()
            if job.is_running
        }
        self._workers.report(
            self._queue_ids,
            tasks,
            now=time.monotonic(),
            every_seconds=self._means.settings.report_seconds,
        )

    def _tell(self, trouble: str) -> None:
        """Log trouble when it changes, not at each turn."""
        if trouble and trouble != self._trouble:
            logger.warning("%s", trouble)
        elif self._trouble and not trouble:
            logger.info("All is well again.")
        self._trouble = trouble
