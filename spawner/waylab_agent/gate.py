"""The gate between queued tasks and this node's slots and devices.

The agent asks the gate before it takes a task, and gives back what it took once the
job's processes are proven gone. What stands behind the gate is not the agent's
concern: slots are counted (`waylab_agent.slots`), or the board's ledger is asked
(`waylab_agent.leases`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from waylab_ledger.values import Proof


@dataclass(frozen=True)
class Candidate:
    """A queued task that this node may run, as seen in its queue."""

    task_id: str
    queue: str


@dataclass(frozen=True)
class Grant:
    """The permission to run one task in one slot, on the named devices only.

    `slot` is unique on the node at any time (`cpu0`, `gpu1`, `services0`); `devices`
    are UUIDs. `groups` are those of the task's owner, as far as the gate knows them.
    """

    id: str
    task_id: str
    queue: str
    slot: str
    devices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Gate(Protocol):
    """Decides which task runs where, now."""

    def offer(self) -> tuple[str, ...]:
        """Give the queues that a grant is possible for now, the most urgent first.

        Empty while the node is full: nobody needs to look at the queues then.
        """

    def grant(self, candidates: Sequence[Candidate]) -> Grant | None:
        """Grant one of the candidates a slot, or none of them.

        `candidates` come in order: queues as in `offer`, within a queue the head
        first. A grant is held until `release`.
        """

    def renew(self, grant: Grant) -> bool:
        """Make sure of a grant that nothing was started under yet.

        False: somebody else has what it names, for now.

        Raises:
            GrantGone: it was taken back, and is not to be had again.
            GateAway: nobody can tell now; nothing may be started.
        """

    def activate(
        self, grant: Grant, *, engine_id: str | None = None, found: str | None = None
    ) -> bool:
        """Say that the task runs, on which engine and as what; may be repeated.

        False: the grant is no longer held, so the task must not go on. A gate that is
        away is told later: what runs goes on.
        """

    def release(self, grant: Grant, proof: Proof) -> None:
        """Give the grant back, on a proof that nothing runs under it.

        Idempotent; an unknown grant is no error. It is not lost where the gate is
        away: it is told later, after a restart too.

        Raises:
            JournalError: it could not be noted; call again.
        """
