"""A gate that counts slots."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from waylab_agent.gate import Candidate, Grant
from waylab_agent.settings import SERVICES_QUEUE, AgentSettings
from waylab_ledger.values import Proof


@dataclass(frozen=True)
class Slot:
    """A place for one job: its name, the queues it serves, its devices (UUIDs)."""

    name: str
    queues: tuple[str, ...]
    devices: tuple[str, ...] = ()


def slots_of(settings: AgentSettings) -> tuple[Slot, ...]:
    """Lay out a node's slots: those of its queues first, then the services'."""
    if settings.devices:
        work = [
            Slot(f"gpu{index}", settings.queues, (device,))
            for index, device in enumerate(settings.devices)
        ]
    else:
        work = [Slot(f"cpu{i}", settings.queues) for i in range(settings.slots)]
    services = [
        Slot(f"services{i}", (SERVICES_QUEUE,)) for i in range(settings.services_slots)
    ]
    return (*work, *services)


class SlotGate:
    """Grants each slot to one task at a time; the first free slot is taken."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        """Start with every slot free."""
        self._slots = tuple(slots)
        self._held: dict[str, Grant] = {}

    def offer(self) -> tuple[str, ...]:
        """Give the queues of the free slots, in the slots' order of priority."""
        queues = (queue for slot in self._free() for queue in slot.queues)
        return tuple(dict.fromkeys(queues))

    def grant(self, candidates: Sequence[Candidate]) -> Grant | None:
        """Give the first candidate that fits a free slot the first that serves it."""
        running = {grant.task_id for grant in self._held.values()}
        for candidate in candidates:
            if candidate.task_id in running:
                continue
            for slot in self._free():
                if candidate.queue in slot.queues:
                    grant = Grant(
                        id=secrets.token_hex(8),
                        task_id=candidate.task_id,
                        queue=candidate.queue,
                        slot=slot.name,
                        devices=slot.devices,
                    )
                    self._held[slot.name] = grant
                    return grant
        return None

    def renew(self, grant: Grant) -> bool:
        """Hold the slot (again).

        A slot that the settings no longer have is held all the same, so that a job
        outlives a change of settings; a device never has two holders.
        """
        holder = self._held.get(grant.slot)
        if holder is not None:
            return holder.id == grant.id
        if self._devices_in_use().intersection(grant.devices):
            return False
        self._held[grant.slot] = grant
        return True

    def activate(
        self, grant: Grant, *, engine_id: str | None = None, found: str | None = None
    ) -> bool:
        """Hold the slot, as `renew` does: counting needs no more."""
        del engine_id, found
        return self.renew(grant)

    def release(self, grant: Grant, proof: Proof) -> None:
        """Free the slot if this grant holds it, whatever the proof."""
        del proof
        holder = self._held.get(grant.slot)
        if holder is not None and holder.id == grant.id:
            del self._held[grant.slot]

    def _free(self) -> list[Slot]:
        in_use = self._devices_in_use()
        return [
            slot
            for slot in self._slots
            if slot.name not in self._held and not in_use.intersection(slot.devices)
        ]

    def _devices_in_use(self) -> set[str]:
        return {device for grant in self._held.values() for device in grant.devices}
