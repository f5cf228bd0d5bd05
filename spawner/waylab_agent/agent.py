"""The agent's loop: look at the jobs, then at the queues, then report."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence

from waylab_agent.errors import GateAway, GrantGone, JournalError, RuntimeAway
from waylab_agent.exchange import Exchange
from waylab_agent.gate import Candidate, Grant
from waylab_agent.job import Job
from waylab_agent.journal import GrantEntry, JobEntry, StopCause
from waylab_agent.means import Means
from waylab_agent.slots import Slot
from waylab_agent.tasks import view
from waylab_agent.workers import Work, Workers
from waylab_clearml.errors import ApiError, ClearMLError
from waylab_ledger.values import Found, Proof, ProofKind
from waylab_ledger.wire import Orders

logger = logging.getLogger(__name__)

_CLAIM_BYTES = 8
_NOT_RUNNING = frozenset({"created", "exited", "dead"})


class Agent:
    """Runs a node's jobs. Not for use by several threads."""

    def __init__(
        self,
        means: Means,
        workers: Workers,
        slots: Callable[[], Sequence[Slot]],
        exchange: Exchange | None = None,
    ) -> None:
        """Nothing is done before `recover` and `turn`.

        `slots` gives the workers that the node shows; without `exchange` there is no
        board.
        """
        self._means = means
        self._workers = workers
        self._slots = slots
        self._exchange = exchange
        self._queue_ids: dict[str, str] = {}
        self._jobs: dict[str, Job] = {}
        self._troubles: dict[str, str] = {}

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
                entry = folder.read()
            except JournalError as error:
                logger.error("%s", error)  # noqa: TRY400 - the message says it all.
                if self._exchange is not None:
                    self._exchange.is_whole = False
                continue
            jobs.append(Job(self._means, folder, entry, recovered=True))
        for job in jobs:
            job.attach()
        for job in sorted(jobs, key=lambda job: not job.is_running):
            self._jobs[job.entry.task_id] = job
            try:
                if not self._means.gate.renew(job.grant):
                    logger.warning("Job %s finds its slot taken", job.entry.task_id)
            except (GateAway, GrantGone) as error:
                logger.debug("Job %s: %s", job.entry.task_id, error)

    def turn(self, *, accept: bool = True) -> None:
        """Do one round; `accept`: take new tasks too. Errors are told and outlived."""
        for job in self._jobs.values():
            job.supervise(time.monotonic())
        self._talk()
        trouble = ""
        try:
            # First, since nothing that is waited for may silence the jobs that run.
            self._report()
            self._advance()
            if accept:
                self._accept()
        except ClearMLError as error:
            trouble = f"The tracking server is waited for: {error}"
        except GateAway as error:
            self._tell("board", f"The board is waited for: {error}")
        except JournalError as error:
            trouble = str(error)
        self._tell("server", trouble)

    def _talk(self) -> None:
        """Talk with the board, if there is one, and do as it says."""
        if self._exchange is None:
            return
        held = [job.entry for job in self._jobs.values() if job.is_held]
        try:
            orders = self._exchange.turn(held, time.monotonic())
        except GateAway as error:
            self._tell("board", f"The board is waited for: {error}")
            return
        self._tell("board", "")
        if orders is not None:
            self._obey(orders)
            self._tidy(self._exchange.seen)

    def _obey(self, orders: Orders) -> None:
        by_lease = {job.grant.id: job for job in self._jobs.values()}
        for lease in orders.stop:
            if lease in by_lease:
                by_lease[lease].stop(_cause(orders.reasons.get(lease)))
        for found in orders.orphans:
            job = by_lease.get(found.lease)
            if job is None:
                self._reap(found)
            elif job.is_running:
                job.revoke()

    def _tidy(self, seen: Sequence[Found]) -> None:
        """Take away what earlier lives of this agent have left behind of jobs.

        Nobody else makes containers of jobs here, so one that does not run and that no
        job of ours owns was cut off in its making or its removal.
        """
        ours = {job.grant.id for job in self._jobs.values()}
        for found in seen:
            is_left = found.state in _NOT_RUNNING and found.lease not in ours
            if is_left and found.holder.startswith("job:"):
                self._reap(found)

    def _reap(self, found: Found) -> None:
        for runtime in (self._means.containers, self._means.processes):
            if runtime is not None:
                runtime.reap(found)
                return

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
            except (GateAway, RuntimeAway) as error:
                logger.debug("Job %s waits: %s", task_id, error)
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
            grant=GrantEntry(
                id=grant.id,
                slot=grant.slot,
                devices=grant.devices,
                groups=grant.groups,
            ),
            claim=secrets.token_hex(_CLAIM_BYTES),
            in_container=self._means.containers is not None,
        )
        try:
            folder = self._means.journal.create(entry)
        except JournalError as error:
            by, detail = self._means.epoch, f"It could not be begun: {error}"
            proof = Proof(ProofKind.NEVER_STARTED, by=by, detail=detail)
            self._means.gate.release(grant, proof)
            raise
        job = Job(self._means, folder, entry)
        self._jobs[grant.task_id] = job
        try:
            job.take()
        except ApiError as error:
            logger.warning("Job %s: %s", grant.task_id, error)
        except (GateAway, RuntimeAway) as error:
            logger.debug("Job %s waits: %s", grant.task_id, error)
        if job.done:
            del self._jobs[grant.task_id]
        return True

    def _candidates(self, queues: Sequence[str]) -> list[Candidate]:
        """Give the queues' entries in order, without the tasks of our jobs."""
        self._look_up_queues(queues)
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
        if len(entries) < len(ids):
            # One was deleted, and may have been made anew under another id.
            self._queue_ids.clear()
        return [
            Candidate(task_id=str(entry["task"]), queue=name)
            for name in queues
            for entry in entries.get(name, ())
            if entry["task"] not in self._jobs
        ]

    def _look_up_queues(self, names: Sequence[str]) -> None:
        """Learn the ids of queues; one that was made anew has another one."""
        if set(names) <= set(self._queue_ids):
            return
        body = {"only_fields": ["id", "name"], "search_hidden": True}
        answer = self._means.client.call("queues.get_all", body)
        self._queue_ids = {
            str(queue["name"]): str(queue["id"]) for queue in answer.get("queues") or ()
        }
        missing = sorted(set(names) - set(self._queue_ids))
        self._tell(
            "queues", f"No such queue yet: {', '.join(missing)}" if missing else ""
        )

    def _report(self) -> None:
        slots = self._slots()
        self._look_up_queues([queue for slot in slots for queue in slot.queues])
        work = {
            task_id: Work(task_id, job.entry.claim, job.grant.slot, job.grant.devices)
            for task_id, job in self._jobs.items()
            if job.is_under_way
        }
        tasks = {one.slot: one for one in work.values()}
        by_device = {device: one for one in work.values() for device in one.devices}
        for slot in slots:
            for device in slot.devices:
                if device in by_device:
                    tasks[slot.name] = by_device[device]
        self._workers.report(
            slots,
            self._queue_ids,
            tasks,
            now=time.monotonic(),
            every_seconds=self._means.settings.report_seconds,
        )

    def _tell(self, about: str, trouble: str) -> None:
        """Log trouble when it changes, not at each turn."""
        last = self._troubles.get(about, "")
        if trouble and trouble != last:
            logger.warning("%s", trouble)
        elif last and not trouble:
            logger.info("All is well again: %s", about)
        self._troubles[about] = trouble


def _cause(reason: str | None) -> StopCause:
    return StopCause.TIMEOUT if reason == StopCause.TIMEOUT.value else StopCause.ABORTED
