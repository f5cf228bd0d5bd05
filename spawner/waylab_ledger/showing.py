"""The ledger's state as the board shows it."""

from __future__ import annotations

from datetime import datetime

from waylab_ledger.book import NodeRecord, State
from waylab_ledger.line import kept_for
from waylab_ledger.values import Device
from waylab_ledger.views import DeviceView, NodeView, Snapshot


def snapshot(state: State, now: datetime) -> Snapshot:
    """Give everything that is open, in a steady order."""
    nodes = sorted(state.nodes.values(), key=lambda one: one.name)
    devices = [
        _device(state, node, device, now, present=present)
        for node in nodes
        for present, some in ((True, node.devices), (False, node.retired))
        for device in sorted(some, key=lambda one: (one.kind, one.index, one.id))
    ]
    return Snapshot(
        nodes=tuple(_node(one, now) for one in nodes),
        devices=tuple(devices),
        leases=tuple(sorted(state.leases.values(), key=lambda one: one.since)),
        tickets=tuple(sorted(state.tickets.values(), key=lambda one: one.serial)),
        version=state.version,
    )


def _node(node: NodeRecord, now: datetime) -> NodeView:
    return NodeView(
        name=node.name,
        state=node.state(now),
        drained=node.drained,
        declared=node.declared,
        reserved=node.reserved,
        large=node.large,
        last_seen=node.last_seen,
        engine_id=node.engine_id,
        complete=node.complete,
        trouble=node.trouble,
    )


def _device(
    state: State, node: NodeRecord, device: Device, now: datetime, *, present: bool
) -> DeviceView:
    return DeviceView(
        device=device,
        lease=state.holds.get(device.id),
        present=present,
        orphaned=device.id in node.busy,
        kept_from=kept_for(device, state.tickets.values(), now),
        utilisation=node.utilisation.get(device.id, {}),
    )
