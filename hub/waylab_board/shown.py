"""What the board shows of the ledger: pure, and without what is nobody's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from waylab_board.books import View
from waylab_board.choices import LABS_RANK
from waylab_ledger.values import (
    DeviceKind,
    Lease,
    NodeReport,
    NodeState,
    Selector,
    Ticket,
)
from waylab_ledger.views import DeviceView, NodeView, Place
from waylab_ledger.wire import (
    BoardState,
    DeviceShown,
    LeaseShown,
    NodeShown,
    TicketShown,
)
from waylab_site.model import Site

GIB = 1024**3


def board_state(
    view: View,
    site: Site,
    reports: Mapping[str, NodeReport],
    troubles: Iterable[str] = (),
) -> BoardState:
    """Give all that the board shows."""
    snapshot = view.snapshot
    order = [node.name for node in site.nodes]
    described = {node.name: node.description for node in site.nodes}
    nodes = sorted(
        snapshot.nodes,
        key=lambda node: (
            order.index(node.name) if node.name in order else len(order),
            node.name,
        ),
    )
    places = {place.ticket: place for place in view.line}
    # Those that have something set aside come before the line.
    turns = {ticket: turn for turn, ticket in enumerate(places)}
    tickets = sorted(
        snapshot.tickets, key=lambda one: (turns.get(one.id, -1), one.created_at)
    )
    return BoardState(
        version=snapshot.version,
        at=view.at,
        nodes=tuple(
            node_shown(
                node,
                described.get(node.name, ""),
                [one for one in snapshot.devices if one.device.node == node.name],
                reports.get(node.name),
            )
            for node in nodes
        ),
        leases=tuple(lease_shown(lease) for lease in snapshot.leases),
        line=tuple(
            # Who is before whom is told by the line's own order.
            replace(ticket_shown(ticket, places.get(ticket.id)), ahead=())
            for ticket in tickets
        ),
        troubles=tuple(troubles),
    )


def node_shown(
    node: NodeView,
    description: str,
    devices: Iterable[DeviceView],
    report: NodeReport | None,
) -> NodeShown:
    """Give a node with its devices in order."""
    used = report.utilisation if report is not None else {}
    takes = node.state is NodeState.UP and node.declared and node.complete
    ordered = sorted(
        devices,
        key=lambda one: (
            _KIND_ORDER[one.device.kind],
            one.device.index,
            one.device.id,
        ),
    )
    return NodeShown(
        name=node.name,
        state=node.state,
        description=description,
        seen_at=node.last_seen,
        trouble=_node_trouble(node),
        devices=tuple(
            _device_shown(one, takes, used.get(one.device.id) or {}) for one in ordered
        ),
    )


def lease_shown(lease: Lease) -> LeaseShown:
    """Give a lease as everybody may see it."""
    request = lease.request
    return LeaseShown(
        id=lease.id,
        holder=request.holder.text,
        user=request.user,
        node=lease.node,
        devices=lease.devices,
        state=lease.state,
        since=lease.started_at or lease.since,
        until=lease.until,
        take_by=lease.take_by,
        project=request.project,
        queue=request.queue,
        note=request.note,
        reason=lease.reason,
        ticket=lease.ticket,
    )


def ticket_shown(ticket: Ticket, place: Place | None) -> TicketShown:
    """Give a ticket as everybody may see it."""
    request = ticket.request
    return TicketShown(
        id=ticket.id,
        holder=request.holder.text,
        user=request.user,
        wants=wants(request.selector),
        state=ticket.state,
        created_at=ticket.created_at,
        project=request.project,
        queue=request.queue,
        note=request.note,
        position=place.position if place else None,
        ahead=place.ahead if place else (),
        expected_from=place.expected_from if place else None,
        expected_to=place.expected_to if place else None,
        lease=ticket.lease,
        reason=ticket.reason,
    )


def wants(selector: Selector) -> str:
    """Say what a selector asks for, in a few words."""
    if selector.kind is DeviceKind.CPU:
        what = "a job slot"
    elif selector.kind is DeviceKind.SERVICE:
        what = "a controller's slot"
    else:
        name = selector.model or "GPU"
        if selector.mig_profile:
            of = f" of {selector.model}" if selector.model else ""
            name = f"slice {selector.mig_profile}{of}"
        what = f"{selector.count} \N{MULTIPLICATION SIGN} {name}"
    if selector.min_memory_bytes:
        what += f" with {selector.min_memory_bytes / GIB:g} GiB or more"
    if selector.nodes:
        what += f" on {' or '.join(selector.nodes)}"
    return what


_KIND_ORDER = {
    DeviceKind.GPU: 0,
    DeviceKind.MIG: 0,
    DeviceKind.CPU: 1,
    DeviceKind.SERVICE: 2,
}


def _device_shown(
    view: DeviceView, node_takes: bool, used: Mapping[str, float]
) -> DeviceShown:
    trouble = ""
    if view.orphaned:
        trouble = "Something without a lease uses it; its agent ends that."
    elif not view.present:
        trouble = "The node does not report it any more."
    elif view.lease is None and not view.is_open_to(LABS_RANK):
        trouble = "Kept for somebody in the line who was overtaken often."
    return DeviceShown(
        device=view.device,
        free=node_takes and view.lease is None and not trouble,
        lease=view.lease,
        gpu_percent=used.get("gpu_percent"),
        memory_used_bytes=used.get("memory_used_bytes"),
        trouble=trouble,
    )


def _node_trouble(node: NodeView) -> str:
    if node.trouble:
        return node.trouble
    if not node.declared:
        return "The site does not name it any more; it takes no new leases."
    if node.last_seen is None:
        return "Its agent has not reported yet."
    if node.state is NodeState.DOWN:
        return "Its agent is silent; what it held is held until it is heard again."
    if not node.complete:
        return "Its agent does not see everything that runs; it takes no new leases."
    return ""
