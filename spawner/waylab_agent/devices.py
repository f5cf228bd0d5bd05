"""The devices that this node has to offer now, from its settings and NVML."""

from __future__ import annotations

from collections.abc import Sequence

from waylab_agent.inventory import Inventory, Slots, slot_name, take
from waylab_agent.nvml import Nvml, Watch
from waylab_agent.settings import ALL_DEVICES, SERVICES_QUEUE, AgentSettings
from waylab_agent.slots import Slot
from waylab_ledger.values import Device, DeviceKind

FIRST_READING_SECONDS = 10.0


class Devices:
    """Gives the inventory of one node, as fresh as the last reading of NVML."""

    def __init__(self, settings: AgentSettings) -> None:
        """Start watching the GPUs, if any are wanted, and wait for a first reading."""
        self._settings = settings
        self._known: dict[str, Device] = {}
        self._watch: Watch | None = None
        if settings.devices:
            self._watch = Watch(Nvml().read, settings.board_seconds)
            self._watch.latest(FIRST_READING_SECONDS)

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()

    def now(self) -> Inventory:
        """Give the devices and their use."""
        settings = self._settings
        readings, trouble = self._watch.latest() if self._watch else ((), "")
        slots = Slots(cpu=settings.slots, services=settings.services_slots)
        wanted = None if settings.devices == ALL_DEVICES else settings.devices
        inventory = take(settings.node, readings, slots, wanted)
        self._known.update((device.id, device) for device in inventory.devices)
        if trouble:
            return Inventory(inventory.devices, inventory.utilisation, trouble)
        return inventory

    def all(self) -> tuple[Device, ...]:
        """Give the devices without their use."""
        return self.now().devices

    def slot_of(self, ids: Sequence[str]) -> str:
        """Name the slot of a lease that holds these devices."""
        self.now()
        known = [self._known[one] for one in ids if one in self._known]
        return slot_name(known) if known else "-".join(ids)[:_LONGEST]

    def slots(self) -> tuple[Slot, ...]:
        """Lay the devices out as workers.

        Where there are GPUs, a slot without one stands for no queue: queues count
        their free places by what their jobs usually take.
        """
        devices = self.all()
        has_gpus = any(d.kind in {DeviceKind.GPU, DeviceKind.MIG} for d in devices)
        return tuple(
            Slot(
                slot_name([device]),
                self._queues(device, has_gpus=has_gpus),
                (device.id,) if device.id.startswith(_VISIBLE) else (),
            )
            for device in devices
        )

    def _queues(self, device: Device, *, has_gpus: bool) -> tuple[str, ...]:
        if device.kind is DeviceKind.SERVICE:
            return (SERVICES_QUEUE,)
        if device.kind is DeviceKind.CPU and has_gpus:
            return ()
        return self._settings.queues


_LONGEST = 40
_VISIBLE = ("GPU-", "MIG-")
