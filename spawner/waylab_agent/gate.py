"""The gate between queued tasks and this node's slots and devices.

The agent asks the gate before it takes a task, and gives back what it took once the
job's processes are proven gone. What stands behind the gate is not the agent's
concern: here slots are counted (`waylab_agent.slots`), a GPU ledger fits as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Candidate:
    """A queued task that this node may run, as seen in its queue."""

    task_id: str
    queue: str


@dataclass(frozen=True)
class Grant:
    """The permission to run one task in one slot, on the named devices only.

    `slot` is unique on the node at any time (`cpu0`, `gpu1`, `services0`); `devices`
    are UUIDs.
    """

    id: str
    task_id: str
    queue: str
    slot: str
    devices: tuple[str, ...] = ()


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
        """Say that the grant is still in use; after a restart, take it again.

        False: it is no longer held and cannot be had (somebody else has it).
        """

    def release(self, grant: Grant) -> None:
        """Give the grant back. Idempotent; an unknown grant is no error."""
