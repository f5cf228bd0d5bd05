"""How the ledger's values become rows, and rows values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql, sqlite

from waylab_ledger import tables
from waylab_ledger.book import Book, Changes, Epoch, NodeRecord, State
from waylab_ledger.values import Lease, LeaseState, Ticket, TicketState
from waylab_ledger.views import Event

LEASE: TypeAdapter[Lease] = TypeAdapter(Lease)
TICKET: TypeAdapter[Ticket] = TypeAdapter(Ticket)
NODE: TypeAdapter[NodeRecord] = TypeAdapter(NodeRecord)
EPOCH: TypeAdapter[Epoch] = TypeAdapter(Epoch)
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def load(connection: sa.Connection) -> State:
    """Read all that is open."""
    counted = connection.execute(sa.select(tables.counters)).one()
    nodes = connection.execute(sa.select(tables.nodes.c.doc)).scalars()
    leases = connection.execute(
        sa.select(tables.leases.c.doc).where(
            tables.leases.c.state != LeaseState.RELEASED.value
        )
    ).scalars()
    tickets = connection.execute(
        sa.select(tables.tickets.c.doc).where(
            tables.tickets.c.state != TicketState.CLOSED.value
        )
    ).scalars()
    holds = connection.execute(sa.select(tables.holds))
    state = State(
        version=counted.version,
        serial=counted.serial,
        events=counted.events,
        nodes={one.name: one for one in map(NODE.validate_json, nodes)},
        leases={one.id: one for one in map(LEASE.validate_json, leases)},
        tickets={one.id: one for one in map(TICKET.validate_json, tickets)},
        holds={row.device: row.lease for row in holds},
    )
    epochs = connection.execute(sa.select(tables.epochs.c.doc)).scalars()
    state.epochs = {one.id: one for one in map(EPOCH.validate_json, epochs)}
    return state


def write(connection: sa.Connection, book: Book) -> None:
    """Store what a transaction changed; what is freed goes before what is held."""
    changes = book.changes
    connection.execute(
        tables.counters.update(),
        {
            "version": book.state.version,
            "serial": book.state.serial,
            "events": book.state.events,
        },
    )
    rows = (
        (tables.nodes, _rows_of_nodes(changes)),
        (tables.epochs, _rows_of_epochs(changes)),
        (tables.tickets, _rows_of_tickets(changes)),
        (tables.leases, _rows_of_leases(changes)),
    )
    if changes.freed:
        gone = tables.holds.c.device.in_(changes.freed)
        connection.execute(tables.holds.delete().where(gone))
    if changes.dropped_nodes:
        gone = tables.nodes.c.name.in_(changes.dropped_nodes)
        connection.execute(tables.nodes.delete().where(gone))
    for table, values in rows:
        for value in values:
            _put(connection, table, value)
    if changes.held:
        held = [{"device": one, "lease": by} for one, by in changes.held.items()]
        connection.execute(tables.holds.insert(), held)
    if changes.keys:
        new = [{"key": one, "answer": value} for one, value in changes.keys.items()]
        connection.execute(tables.keys.insert(), new)
    if changes.events:
        connection.execute(
            tables.events.insert(), [_event_row(e) for e in changes.events]
        )


def _put(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or replace the one of the same key."""
    connection.execute(_upsert(connection.dialect.name, table), row)


_UPSERTS: dict[tuple[str, str], sa.Insert] = {}


def _upsert(dialect: str, table: sa.Table) -> sa.Insert:
    known = _UPSERTS.get((dialect, table.name))
    if known is not None:
        return known
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    key = next(iter(table.primary_key.columns)).name
    rest = {c.name: insert.excluded[c.name] for c in table.columns if c.name != key}
    statement: sa.Insert = insert.on_conflict_do_update(index_elements=[key], set_=rest)
    _UPSERTS[dialect, table.name] = statement
    return statement


def _rows_of_nodes(changes: Changes) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "doc": NODE.dump_json(one).decode()}
        for one in changes.nodes.values()
    ]


def _rows_of_epochs(changes: Changes) -> list[dict[str, Any]]:
    # The dead first: two of a role may not live at once.
    ordered = sorted(changes.epochs.values(), key=lambda one: one.dead_at is None)
    return [
        {
            "id": one.id,
            "role": one.role,
            "alive": one.dead_at is None,
            "doc": EPOCH.dump_json(one).decode(),
        }
        for one in ordered
    ]


def _rows_of_tickets(changes: Changes) -> list[dict[str, Any]]:
    ordered = sorted(
        changes.tickets.values(), key=lambda one: one.state is not TicketState.CLOSED
    )
    return [
        {
            "id": one.id,
            "holder": one.request.holder.text,
            "state": one.state.value,
            "serial": one.serial,
            "doc": TICKET.dump_json(one).decode(),
        }
        for one in ordered
    ]


def _rows_of_leases(changes: Changes) -> list[dict[str, Any]]:
    ordered = sorted(
        changes.leases.values(), key=lambda one: one.state is not LeaseState.RELEASED
    )
    return [
        {
            "id": one.id,
            "holder": one.request.holder.text,
            "user": one.request.user,
            "node": one.node,
            "state": one.state.value,
            "proof": one.proof.kind.value if one.proof else None,
            "started_at": _seconds(one.started_at),
            "released_at": _seconds(one.released_at),
            "doc": LEASE.dump_json(one).decode(),
        }
        for one in ordered
    ]


def _event_row(one: Event) -> dict[str, Any]:
    return {
        "number": one.number,
        "at": one.at.timestamp(),
        "kind": one.kind.value,
        "lease": one.lease,
        "node": one.node,
        "user": one.user,
        "doc": EVENT.dump_json(one).decode(),
    }


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def moment(seconds: float | None) -> datetime | None:
    """Give the time of a row's seconds since 1970."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
