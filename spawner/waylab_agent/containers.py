"""Jobs as containers of the node's own engine.

The engine is asked in two ways only: one look at all containers of the site, at most
once a second, and one question for a container that the look does not show running.
What takes long (pulling, starting, ending, removing) is done on other threads, one
thing at a time for each container. An engine that does not answer is left in peace for
a while; meanwhile nothing is known, so nothing is freed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from waylab_agent import launch
from waylab_agent.blueprint import Drawing, Grounds, draw, lay_out
from waylab_agent.errors import ImageError, RuntimeAway, StartError
from waylab_agent.follow import Follower
from waylab_agent.journal import JobEntry, JobFolder, Phase
from waylab_agent.launch import Record
from waylab_agent.runtime import Running, Sighting
from waylab_agent.shim import VERDICT_LIMIT_BYTES
from waylab_clearml.verdict import FILE_NAME, Reason
from waylab_engine import absence, labels
from waylab_engine.container import Container
from waylab_engine.engine import Engine
from waylab_engine.errors import (
    ContainerConflict,
    ContainerMissing,
    EngineError,
    EngineRefused,
    EngineUnreachable,
    PullFailed,
    StartRefused,
)
from waylab_engine.found import Look, look
from waylab_engine.names import container_name
from waylab_engine.plans import Identity
from waylab_ledger.values import Device, Found, Holder, Proof

logger = logging.getLogger(__name__)
T = TypeVar("T")

LOOK_SECONDS = 1.0
AWAY_SECONDS = 3.0
REAP_GRACE_SECONDS = 10
_THREADS = 16
_BY_SIGNAL = 128
_NO_PYTHON = ("executable file not found", "no such file or directory")


class ContainerRuntime:
    """Starts jobs in containers. Not for use by several threads."""

    def __init__(
        self,
        grounds: Grounds,
        engine: Engine,
        inventory: Callable[[], tuple[Device, ...]],
    ) -> None:
        """Nothing is asked of the engine before the first call."""
        self._grounds = grounds
        self._place = grounds.place
        self._engine = engine
        self._inventory = inventory
        self._pool = ThreadPoolExecutor(_THREADS, "containers")
        self._starts: dict[str, Future[Running]] = {}
        self._chores: dict[str, Future[None]] = {}
        self._unwanted: set[str] = set()
        self._followers: dict[str, Follower] = {}
        self._last: set[str] = set()
        self._silent_until = 0.0
        self._look = Look(trouble="The engine was not asked yet.")
        self._looked_at = float("-inf")

    def close(self) -> None:
        """Stop waiting for the engine; what runs in it goes on."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._engine.close()

    def attach(self, entry: JobEntry, folder: JobFolder) -> bool:
        """Say whether the container was started; `start` takes up one that was made."""
        del folder
        return entry.phase is Phase.RUNNING

    def start(self, entry: JobEntry, folder: JobFolder) -> Running | None:
        """Make and start the container on another thread, or take up what is there."""
        under_way = self._starts.get(entry.claim)
        if under_way is None:
            self._check_silence()
            engine = self._ask(self._engine.info)
            drawing = draw(self._grounds, engine, self._inventory(), entry, folder)
            self._starts[entry.claim] = self._pool.submit(
                self._bring_up, drawing, entry, folder, engine.id
            )
            return None
        if not under_way.done():
            return None
        del self._starts[entry.claim]
        try:
            running = under_way.result()
        except EngineUnreachable as error:
            self._fall_silent(error)
            raise RuntimeAway(str(error)) from error
        self._follow(entry, folder)
        return running

    def gone(self, entry: JobEntry, folder: JobFolder) -> Proof | None:
        """Prove by the engine that the container has ended, or is not there."""
        start = self._starts.get(entry.claim)
        if start is not None:
            self._unwanted.add(entry.claim)
            if start.done():
                del self._starts[entry.claim]
            return None
        name = self._name(entry)
        if self._shows_running(entry):
            self._follow(entry, folder)
            return None
        self._check_silence()
        answer = self._engine.ask(name)
        if answer.status is None:
            self._silent_until = time.monotonic() + AWAY_SECONDS
        engine_id = entry.engine_id or answer.engine_id or ""
        proof = absence.judge(
            answer, container=name, engine_id=engine_id, by=self._place.epoch
        )
        if proof is None and _status(answer.body) in {"created", "dead"}:
            # Made by a start that was cut off: it never ran, or never will again.
            container = str(_mapping(answer.body).get("Id"))
            self._chore(name, lambda: self._engine.remove(container, force=True))
        return proof

    def end(self, entry: JobEntry, folder: JobFolder, *, by_force: bool) -> None:
        """Send SIGTERM or SIGKILL to the container's first process."""
        del folder
        name, number = self._name(entry), "SIGKILL" if by_force else "SIGTERM"
        self._chore(name, lambda: self._kill(name, entry.grant.id, number))

    def record(self, entry: JobEntry, folder: JobFolder) -> Record | None:
        """Note how the container ended, once its whole log is here."""
        noted = launch.read_record(folder)
        if noted.ended or noted.refused is not None:
            return noted
        self._check_silence()
        try:
            ended = self._ask(lambda: self._engine.inspect(self._name(entry)))
        except ContainerMissing:
            return Record(verdict=_verdict(folder))
        if ended.labels.get(labels.LEASE) != entry.grant.id:
            return Record(verdict=_verdict(folder))
        if ended.exit_code is None:
            return None
        if not self._has_all(entry, folder):
            return None
        _note_end(folder, ended)
        return launch.read_record(folder)

    def clear(self, entry: JobEntry, folder: JobFolder) -> None:
        """Remove the container; if that fails, a later look finds it again."""
        del folder
        self._followers.pop(entry.claim, None)
        self._last.discard(entry.claim)
        self._unwanted.discard(entry.claim)
        if entry.phase in {Phase.STARTING, Phase.RUNNING}:
            name = self._name(entry)
            self._chore(name, lambda: self._remove_own(name, entry.grant.id))

    def sight(self) -> Sighting:
        """Look at all containers of the site."""
        seen = self._glance(0.0)
        return Sighting(seen.found, seen.complete, seen.engine_id, seen.trouble)

    def reap(self, found: Found) -> None:
        """Stop a container without a lease, and remove it."""

        def work() -> None:
            if found.state in {"running", "paused", "restarting"}:
                logger.warning("Stopping %s: it has no lease", found.holder or found.id)
                self._engine.stop(found.id, REAP_GRACE_SECONDS)
            self._engine.remove(found.id, force=True)

        self._chore(found.id, work)

    def _bring_up(
        self, drawing: Drawing, entry: JobEntry, folder: JobFolder, engine_id: str
    ) -> Running:
        plan = drawing.plan
        running = Running(container=plan.name, engine_id=engine_id)
        if self._is_up(plan.name, entry.grant.id):
            logger.info("The container of job %s is there already", entry.task_id)
            return running
        lay_out(folder, drawing.files, Identity())
        try:
            if not self._engine.has_image(plan.image):
                logger.info("Pulling %s for job %s", plan.image, entry.task_id)
                self._engine.pull(plan.image, lambda _: self._check_wanted(entry))
            container = self._engine.create(plan)
            self._engine.start(container)
        except PullFailed as error:
            raise ImageError(str(error), Reason.IMAGE_MISSING) from error
        except StartRefused as error:
            raise _start_error(str(error), plan.image) from error
        except ContainerConflict as error:
            raise EngineUnreachable(str(error)) from error
        except EngineRefused as error:
            raise StartError(str(error)) from error
        return running

    def _check_wanted(self, entry: JobEntry) -> None:
        if entry.claim in self._unwanted:
            msg = "The job was ended before its image was there."
            raise PullFailed(msg)

    def _is_up(self, name: str, lease: str) -> bool:
        """Say whether the job's container runs; clear away what else has its name.

        Raises:
            EngineUnreachable: what has the name lives, and is not ours to clear away.
        """
        try:
            there = self._engine.inspect(name)
        except ContainerMissing:
            return False
        if there.labels.get(labels.LEASE) == lease:
            # It may have ended already, which is a start too; only one that was never
            # started is made anew.
            if there.status != "created":
                return True
        elif there.is_running:
            msg = f"The container {name} of an earlier run is still there."
            raise EngineUnreachable(msg)
        self._engine.remove(there.id, force=True)
        return False

    def _remove_own(self, name: str, lease: str) -> None:
        try:
            there = self._engine.inspect(name)
        except ContainerMissing:
            return
        if there.labels.get(labels.LEASE) == lease:
            self._engine.remove(there.id, force=True)

    def _kill(self, name: str, lease: str, number: str) -> None:
        try:
            there = self._engine.inspect(name)
            if there.labels.get(labels.LEASE) == lease:
                self._engine.kill(there.id, number)
        except (ContainerConflict, ContainerMissing):
            return  # It has ended.

    def _follow(self, entry: JobEntry, folder: JobFolder) -> None:
        follower = self._followers.get(entry.claim)
        if follower is None or (follower.is_over and not follower.complete):
            name = self._name(entry)
            self._followers[entry.claim] = Follower(self._engine, name, folder)

    def _has_all(self, entry: JobEntry, folder: JobFolder) -> bool:
        """Say whether the whole log is here: a follower begun after the end says so.

        One that was there before may have been cut off by the engine's own restart.
        """
        follower = self._followers.get(entry.claim)
        if follower is not None and not follower.is_over:
            return False
        if follower is not None and follower.complete and entry.claim in self._last:
            return True
        self._last.add(entry.claim)
        name = self._name(entry)
        self._followers[entry.claim] = Follower(self._engine, name, folder)
        return False

    def _shows_running(self, entry: JobEntry) -> bool:
        seen = self._glance(LOOK_SECONDS)
        return seen.complete and any(
            one.lease == entry.grant.id and one.state == "running" for one in seen.found
        )

    def _glance(self, age_seconds: float) -> Look:
        now = time.monotonic()
        if now < self._silent_until:
            return Look(trouble=self._look.trouble or "The engine did not answer.")
        if now - self._looked_at >= age_seconds:
            self._look = look(self._engine, self._place.settings.site_id)
            self._looked_at = time.monotonic()
            if self._look.engine_id is None:
                self._silent_until = time.monotonic() + AWAY_SECONDS
        return self._look

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except ContainerMissing:
            raise
        except EngineError as error:
            self._fall_silent(error)
            raise RuntimeAway(str(error)) from error

    def _check_silence(self) -> None:
        if time.monotonic() < self._silent_until:
            msg = "The engine did not answer a moment ago: it is asked again soon."
            raise RuntimeAway(msg)

    def _fall_silent(self, error: EngineError) -> None:
        logger.info("The engine is left in peace for a moment: %s", error)
        self._silent_until = time.monotonic() + AWAY_SECONDS

    def _chore(self, name: str, work: Callable[[], None]) -> None:
        """Do something to a container on another thread, unless that is being done."""
        under_way = self._chores.get(name)
        if under_way is not None and not under_way.done():
            return

        def chore() -> None:
            try:
                work()
            except EngineError as error:
                logger.info("Container %s: %s", name, error)

        self._chores = {n: f for n, f in self._chores.items() if not f.done()}
        self._chores[name] = self._pool.submit(chore)

    def _name(self, entry: JobEntry) -> str:
        site_id = self._place.settings.site_id
        return entry.container or container_name(site_id, Holder.job(entry.task_id))


def _start_error(message: str, image: str) -> StartError:
    if any(words in message.lower() for words in _NO_PYTHON):
        msg = (
            f"The image {image} has no python3: add one, as `apt-get install "
            f"python3`, or choose another image. ({message})"
        )
        return ImageError(msg, Reason.IMAGE_UNFIT)
    return StartError(message)


def _note_end(folder: JobFolder, ended: Container) -> None:
    """Note an end as a shim does; 128 + n is how an engine tells of signal n."""
    code = ended.exit_code or 0
    number = code - _BY_SIGNAL if code > _BY_SIGNAL else None
    if number is not None and number not in {s.value for s in signal.Signals}:
        number = None
    note = {
        "event": "ended",
        "exit_code": code if number is None else None,
        "signal": number,
        "oom_kills": int(ended.is_out_of_memory),
        "verdict": _verdict(folder),
    }
    with folder.record.open("ab") as record:
        record.write(json.dumps(note).encode() + b"\n")
        record.flush()
        os.fsync(record.fileno())


def _verdict(folder: JobFolder) -> str | None:
    """Read what the runner left; the job could put anything in that place."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(folder.work / FILE_NAME, flags), "rb") as file:
            return file.read(VERDICT_LIMIT_BYTES).decode("utf-8") or None
    except (OSError, ValueError):
        return None


def _status(body: object) -> str:
    return str(_mapping(_mapping(body).get("State")).get("Status"))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
