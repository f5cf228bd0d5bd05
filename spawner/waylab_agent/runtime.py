"""Where a job's processes live: on this machine, or in a container of its engine.

What a runtime does may be asked for again and again; nothing of it blocks for long.
An answer that it cannot give is `RuntimeAway`, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from waylab_agent.errors import RuntimeAway
from waylab_agent.journal import JobEntry, JobFolder, Phase, ProcessId
from waylab_agent.launch import Record
from waylab_ledger.values import Found, Proof


@dataclass(frozen=True)
class Running:
    """What was started: a process, or a container (its name) on an engine."""

    process: ProcessId | None = None
    container: str | None = None
    engine_id: str | None = None

    @property
    def found(self) -> str | None:
        """As what it is found in a look at the node."""
        return self.container


@dataclass(frozen=True)
class Sighting:
    """What a runtime sees of labs and jobs on the node.

    `complete` says that nothing is missing of what this agent, or the node's engine,
    is asked for. `processes` says that processes of labs would be among it.
    """

    found: tuple[Found, ...] = ()
    complete: bool = False
    engine_id: str | None = None
    trouble: str = ""
    processes: bool = False


class Runtime(Protocol):
    """Starts a node's jobs, watches and ends them."""

    def attach(self, entry: JobEntry, folder: JobFolder) -> bool:
        """Say, after a restart, whether anything of the job may have been started."""

    def start(self, entry: JobEntry, folder: JobFolder) -> Running | None:
        """Start the job, or take up what was started of it; None: under way.

        It never runs twice at once, however often this is called.

        Raises:
            ClearMLError, AccountError, StartError: it cannot be started (now).
            RuntimeAway: the engine does not answer; call again.
        """

    def gone(self, entry: JobEntry, folder: JobFolder) -> Proof | None:
        """Give the proof that nothing of the job is left that uses a device.

        None: it lives, or nobody can tell.
        """

    def end(self, entry: JobEntry, folder: JobFolder, *, by_force: bool) -> None:
        """Ask the job to end, or end it by force."""

    def record(self, entry: JobEntry, folder: JobFolder) -> Record | None:
        """Give what is known of the job's end; None: its log is still coming in."""

    def clear(self, entry: JobEntry, folder: JobFolder) -> None:
        """Take away what is left of a job that is gone, but for its folder."""

    def sight(self) -> Sighting:
        """Look at everything of the site on this node."""

    def reap(self, found: Found) -> None:
        """End something that holds no lease; it is gone in a later look."""


class NoEngine:
    """Stands for the engine of a container that the settings no longer name.

    Nothing is known of the container, so nothing is freed.
    """

    def attach(self, entry: JobEntry, folder: JobFolder) -> bool:
        """Take it that the container runs."""
        del folder
        return entry.phase is Phase.RUNNING

    def start(self, entry: JobEntry, folder: JobFolder) -> Running | None:
        """Wait for an engine."""
        del folder
        raise _no_engine(entry)

    def gone(self, entry: JobEntry, folder: JobFolder) -> Proof | None:
        """Prove nothing."""
        del folder
        raise _no_engine(entry)

    def end(self, entry: JobEntry, folder: JobFolder, *, by_force: bool) -> None:
        """Wait for an engine."""
        del folder, by_force
        raise _no_engine(entry)

    def record(self, entry: JobEntry, folder: JobFolder) -> Record | None:
        """Wait for an engine."""
        del folder
        raise _no_engine(entry)

    def clear(self, entry: JobEntry, folder: JobFolder) -> None:
        """Leave what is there to the engine's next agent."""

    def sight(self) -> Sighting:
        """See nothing."""
        return Sighting(trouble="The node's settings name no engine.")

    def reap(self, found: Found) -> None:
        """Leave it."""


def _no_engine(entry: JobEntry) -> RuntimeAway:
    return RuntimeAway(
        f"Job {entry.task_id} runs in a container, and the settings name no engine: "
        "set WAYLAB_AGENT_ENGINE again."
    )
