"""Jobs as processes of this machine, each under a shim that outlives the agent."""

from __future__ import annotations

import time
from subprocess import Popen

from waylab_agent import launch, orders, processes
from waylab_agent.journal import JobEntry, JobFolder, Phase, ProcessId
from waylab_agent.launch import Record
from waylab_agent.means import Place
from waylab_agent.runtime import Running, Sighting
from waylab_engine.marks import scope
from waylab_ledger.values import Found, Proof, ProofKind

REAP_GRACE_SECONDS = 10.0
_EMPTY = Record()


class LocalRuntime:
    """Starts jobs as processes. Not for use by several threads."""

    def __init__(self, place: Place) -> None:
        """Nothing is started before `start`."""
        self._place = place
        self._scope = scope(place.settings.site_id, place.settings.node)
        self._shims: dict[str, Popen[bytes]] = {}
        self._reaping: dict[str, float] = {}

    def attach(self, entry: JobEntry, folder: JobFolder) -> bool:
        """Say whether the shim lives, or lived (until `gone` proves the contrary)."""
        was_started = launch.read_record(folder) != _EMPTY
        return launch.is_held(folder) or entry.phase is Phase.RUNNING or was_started

    def start(self, entry: JobEntry, folder: JobFolder) -> Running:
        """Start the shim, which starts the job."""
        order = orders.for_processes(self._place, entry)
        process, shim = launch.start(order, folder)
        self._shims[entry.claim] = shim
        return Running(process=process)

    def gone(self, entry: JobEntry, folder: JobFolder) -> Proof | None:
        """Prove that neither the shim nor a process with the job's mark is left."""
        shim = self._shims.get(entry.claim)
        if shim is not None:
            shim.poll()
        if launch.is_held(folder):
            return None
        strays = processes.marked(entry.claim)
        if strays:
            processes.kill(strays)
            return None
        detail = "The job's shim has ended, and no process bears its mark."
        return Proof(ProofKind.PROCESSES_GONE, by=self._place.epoch, detail=detail)

    def end(self, entry: JobEntry, folder: JobFolder, *, by_force: bool) -> None:
        """Send SIGTERM to the job's first session, or SIGKILL to all below the shim."""
        process = _first_process(entry, folder)
        if process is None:
            return
        if by_force:
            processes.kill(processes.descendants(process))
        else:
            processes.ask_to_end(process)

    def record(self, entry: JobEntry, folder: JobFolder) -> Record:
        """Give what the shim noted."""
        del entry
        return launch.read_record(folder)

    def clear(self, entry: JobEntry, folder: JobFolder) -> None:
        """Forget the shim; it has cleared the job's files away itself."""
        del folder
        self._shims.pop(entry.claim, None)

    def sight(self) -> Sighting:
        """Find all processes that name a lease of this node, of labs and jobs alike."""
        found = tuple(
            Found(
                id=f"processes-{lease}",
                lease=lease,
                holder=holder,
                devices=devices,
                state="running",
            )
            for lease, (holder, devices) in processes.leased(self._scope).items()
        )
        seen = {one.lease for one in found}
        self._reaping = {k: v for k, v in self._reaping.items() if k in seen}
        return Sighting(found=found, complete=True, processes=True)

    def reap(self, found: Found) -> None:
        """Ask all processes of a lease to end; after a grace, end them."""
        now = time.monotonic()
        since = self._reaping.setdefault(found.lease, now)
        strays = processes.of_lease(self._scope, found.lease)
        if now - since >= REAP_GRACE_SECONDS:
            processes.kill(strays)
        elif since == now:
            processes.ask(strays)


def _first_process(entry: JobEntry, folder: JobFolder) -> ProcessId | None:
    """Give the job's first process; the record knows what the journal missed."""
    if entry.process is not None:
        return entry.process
    pid = launch.read_record(folder).shim_pid
    return processes.identify(pid) if pid is not None else None
