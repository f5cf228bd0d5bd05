"""Endpoints that tell how things are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response, StreamingResponse

from waylab_board.audit import audit
from waylab_board.dependencies import Admin, BoardDep, Caller, answer
from waylab_board.errors import bad_request
from waylab_board.principals import Principal, Role
from waylab_board.shown import lease_shown, ticket_shown
from waylab_ledger.values import Lease
from waylab_ledger.views import Event
from waylab_ledger.wire import (
    BoardState,
    DeviceShown,
    LeaseShown,
    NodeShown,
    TicketShown,
    encode,
)

router = APIRouter(tags=["reading"])
_DAYS = 30


@router.get("/state", response_model=BoardState)
async def state(board: BoardDep, who: Caller) -> Response:
    """Give nodes, devices, holders and the line, at one moment."""
    return answer(await board.state())


@router.get("/nodes", response_model=list[NodeShown])
async def nodes(board: BoardDep, who: Caller) -> Response:
    """List the nodes with their devices."""
    return answer((await board.state()).nodes, tuple[NodeShown, ...])


@router.get("/devices", response_model=list[DeviceShown])
async def devices(board: BoardDep, who: Caller) -> Response:
    """List the devices of all nodes."""
    found = [one for node in (await board.state()).nodes for one in node.devices]
    return answer(found, list[DeviceShown])


@router.get("/leases", response_model=list[LeaseShown])
async def leases(board: BoardDep, who: Caller) -> Response:
    """List the leases that are not released."""
    return answer((await board.state()).leases, tuple[LeaseShown, ...])


@router.get("/leases/{lease}", response_model=Lease | LeaseShown)
async def one_lease(lease: str, board: BoardDep, who: Caller) -> Response:
    """Give a lease, released ones too; all of it to the hub and to its node."""
    found = await board.books.read("lease", lambda ledger, _: ledger.lease(lease))
    if who.may_drive(found):
        return answer(found)
    return answer(lease_shown(found))


@router.get("/tickets", response_model=list[TicketShown])
async def tickets(board: BoardDep, who: Caller) -> Response:
    """List the line: those that have something set aside, then those that wait."""
    return answer((await board.state()).line, tuple[TicketShown, ...])


@router.get("/tickets/{ticket}", response_model=TicketShown)
async def one_ticket(ticket: str, board: BoardDep, who: Caller) -> Response:
    """Give a ticket with its place in the line, closed ones too."""
    found = await board.books.read("ticket", lambda ledger, _: ledger.ticket(ticket))
    view = await board.books.view()
    place = next((one for one in view.line if one.ticket == ticket), None)
    shown = encode(ticket_shown(found, place))
    if refusal := board.labs.refusal(found.lease):
        shown["reason"] = f"The hub does not start the lab: {refusal}"
    return JSONResponse(shown)


@router.get("/events", response_model=list[Event])
async def events(
    board: BoardDep,
    who: Admin,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """List what changed, the oldest first, from a number on; for admins."""
    found = await board.books.read(
        "events", lambda ledger, _: ledger.events(after, limit)
    )
    return answer(found, tuple[Event, ...])


@router.get("/usage", response_model=dict[str, float])
async def usage(
    board: BoardDep,
    who: Caller,
    by: Literal["user", "group", "project", "node"] = "user",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Response:
    """Give GPU-seconds of a time, the last 30 days by default.

    Admins see everybody's, others what they used themselves and the nodes.
    """
    end = _aware(until) or datetime.now(UTC)
    begin = _aware(since) or end - timedelta(days=_DAYS)
    if begin > end:
        msg = (
            f"`since` ({begin.isoformat()}) is later than `until` ({end.isoformat()})."
        )
        raise bad_request(msg)
    found = await board.books.read(
        "usage", lambda ledger, _: ledger.usage(begin, end, by)
    )
    return JSONResponse({k: v for k, v in found.items() if _may_see(who, by, k)})


@router.get("/stream", response_class=StreamingResponse)
async def stream(board: BoardDep, who: Caller) -> StreamingResponse:
    """Tell each new version of the state, as server-sent events."""
    return StreamingResponse(
        board.stream.listen(),
        media_type="text/event-stream",
        # A proxy that collects what it hands on would hold the news back.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/metrics")
async def metrics(board: BoardDep, who: Caller) -> Response:
    """Give Prometheus metrics of leases, waits and devices."""
    text = board.metrics.text(await board.state(), board.troubles.names())
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/audit", response_model=list[str])
async def differences(board: BoardDep, who: Admin) -> Response:
    """Compare ledger, nodes, hub and ClearML; give every difference; for admins."""
    return JSONResponse(list(await audit(board)))


def _may_see(who: Principal, by: str, name: str) -> bool:
    if who.admin or who.role is Role.HUB or by == "node":
        return True
    return by == "user" and name == who.name


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
