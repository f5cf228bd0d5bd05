"""Endpoints that change leases and the line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from waylab_board.board import Board
from waylab_board.dependencies import BoardDep, Caller, answer
from waylab_board.errors import Denied, HubAway, HubRefuses, bad_request, forbidden
from waylab_board.principals import Principal, Role
from waylab_ledger.errors import Refused
from waylab_ledger.ledger import Ledger
from waylab_ledger.values import (
    Holder,
    HolderKind,
    Lease,
    LeaseState,
    Proof,
    ProofKind,
    Request,
    Ticket,
)
from waylab_ledger.wire import Answer

router = APIRouter(tags=["leases and tickets"])
LeaseId = Annotated[str, Path(max_length=64)]
_STARTING = {"message": "The lab is being started."}


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Wish(_Body):
    """From the hub a request; from a user the options of an own lab."""

    request: Request | None = None
    taker: str | None = Field(default=None, max_length=200)
    server: str = Field(default="", max_length=30, pattern=r"^[a-z0-9-]*$")
    options: dict[str, Any] | None = None


class Taking(_Body):
    """Who takes a lease."""

    taker: str = Field(min_length=1, max_length=200)


class Running(_Body):
    """Where a holder runs."""

    engine_id: str | None = None
    found: str | None = None


class Reason(_Body):
    """Why something is done."""

    reason: str = Field(default="", max_length=500)


class Proven(_Body):
    """On what devices are freed."""

    proof: Proof


class Epoch(_Body):
    """The process that takes leases from now on."""

    epoch: str = Field(min_length=1, max_length=200)


@router.post("/requests", response_model=Answer)
async def request(wish: Wish, board: BoardDep, who: Caller) -> Response:
    """Ask for a lease: the answer holds it, or a ticket.

    The hub sends a request. A user sends the options of an own lab, `{"server": "",
    "options": {"profile": …}}`, and the hub checks them as it does those of its form.
    Sent again while that lab is there, they get the same answer, and no second lab.
    """
    if who.role is Role.HUB:
        return await _submit(board, wish)
    if who.role is Role.NODE:
        msg = "A node asks for nothing: its queues do."
        raise forbidden(msg)
    return await _start_own(board, who, wish)


@router.post("/leases/{lease}/take", response_model=Lease)
async def take(lease: LeaseId, body: Taking, board: BoardDep, who: Caller) -> Response:
    """Take a lease that is set aside; for the hub and nodes."""
    return await _drive(
        board, who, lease, lambda ledger, now: ledger.take(lease, body.taker, now)
    )


@router.post("/leases/{lease}/active", response_model=Lease)
async def active(
    lease: LeaseId, body: Running, board: BoardDep, who: Caller
) -> Response:
    """Say that the holder runs, and where; for the hub and nodes."""
    return await _drive(
        board,
        who,
        lease,
        lambda ledger, now: ledger.activate(lease, now, body.engine_id, body.found),
    )


@router.post("/leases/{lease}/releasing", response_model=Lease)
async def releasing(
    lease: LeaseId, body: Reason, board: BoardDep, who: Caller
) -> Response:
    """Say that the holder's end was asked for; for the hub and nodes."""
    return await _drive(
        board, who, lease, lambda ledger, now: ledger.releasing(lease, body.reason, now)
    )


@router.post("/leases/{lease}/release", response_model=Lease)
async def release(
    lease: LeaseId, body: Proven, board: BoardDep, who: Caller
) -> Response:
    """Free the devices on a proof; for the hub and nodes."""
    if body.proof.kind is ProofKind.FENCED:
        msg = "Only an admin fences, and a whole node: POST /nodes/<node>/fence."
        raise forbidden(msg)
    return await _drive(
        board, who, lease, lambda ledger, now: ledger.release(lease, body.proof, now)
    )


@router.post("/leases/{lease}/lost", response_model=Lease)
async def lost(lease: LeaseId, body: Reason, board: BoardDep, who: Caller) -> Response:
    """Say that nobody can tell whether the holder runs; for the hub and nodes."""
    return await _drive(
        board, who, lease, lambda ledger, now: ledger.lose(lease, body.reason, now)
    )


@router.post("/leases/{lease}/end", response_model=Lease)
async def end(lease: LeaseId, body: Reason, board: BoardDep, who: Caller) -> Response:
    """Stop a holder properly; for its user and for admins.

    A lab is stopped by the hub and a job by its agent; the devices are free once that
    is proven.
    """
    found = await board.books.read("lease", lambda ledger, _: ledger.lease(lease))
    if not who.may_end(found.request.user):
        msg = f"The lease is {found.request.user}'s: only they or an admin may end it."
        raise forbidden(msg)
    if found.state is LeaseState.RELEASED:
        return _lease(found, who)
    reason = f"ended by {who.name}" + (f": {body.reason}" if body.reason else "")
    ended = await board.books.write(
        "releasing", lambda ledger, now: ledger.releasing(lease, reason, now)
    )
    board.labs.wake()
    return _lease(ended, who)


@router.delete("/tickets/{ticket}", response_model=Ticket)
async def give_up(ticket: LeaseId, board: BoardDep, who: Caller) -> Response:
    """Give a place in the line up; for its user, the hub and admins.

    A job's place is its task's in the queue: take the task out of that instead.
    """
    found = await board.books.read("ticket", lambda ledger, _: ledger.ticket(ticket))
    if not who.may_end(found.request.user):
        msg = (
            f"The ticket is {found.request.user}'s: only they or an admin may do that."
        )
        raise forbidden(msg)
    if found.request.holder.kind is HolderKind.JOB:
        msg = (
            f"The ticket stands for a task in the queue {found.request.queue}: take "
            "the task out of the queue (Abort in ClearML or in the lab)."
        )
        raise Denied(409, "conflict", msg)
    closed = await board.books.write(
        "give_up", lambda ledger, now: ledger.give_up(ticket, now)
    )
    return answer(_without_secrets(closed))


@router.post("/epochs")
async def epoch(body: Epoch, board: BoardDep, who: Caller) -> Response:
    """Say that a process takes leases from now on and earlier ones are dead."""
    if who.role is Role.USER:
        msg = "Only the hub and nodes take leases."
        raise forbidden(msg)
    role = "hub" if who.role is Role.HUB else f"agent:{who.node}"
    await board.books.write(
        "epoch", lambda ledger, now: ledger.epoch(role, body.epoch, now)
    )
    return JSONResponse({"role": role, "epoch": body.epoch})


@router.post("/hint")
async def hint(board: BoardDep, who: Caller) -> Response:
    """Say that a ClearML queue has changed: the board looks at it now."""
    board.hint()
    return JSONResponse({})


async def _submit(board: Board, wish: Wish) -> Response:
    wanted = wish.request
    if wanted is None:
        msg = "`request` is missing."
        raise bad_request(msg)
    if not wanted.holder.text.startswith(f"lab:{wanted.user}/"):
        msg = f"{wanted.holder} is no lab of {wanted.user}."
        raise bad_request(msg)
    try:
        given = await board.books.write(
            "submit", lambda ledger, now: ledger.submit(wanted, now, wish.taker)
        )
    except Refused:
        board.metrics.requested(wanted, "refused")
        raise
    if isinstance(given, Lease):
        board.metrics.requested(wanted, "lease")
        board.metrics.waited(wanted, 0.0)
        return answer(Answer(lease=given))
    board.metrics.requested(wanted, "ticket")
    return answer(Answer(ticket=given))


async def _start_own(board: Board, who: Principal, wish: Wish) -> Response:
    if wish.options is None:
        msg = (
            'Send the options of your lab, such as {"options": {"profile": "one-gpu"}}.'
        )
        raise bad_request(msg)
    if "lease" in wish.options:
        msg = "A lease is not yours to name: leave it out."
        raise bad_request(msg)
    refusal = ""
    try:
        await board.hub.start_lab(who.name, wish.server, wish.options)
    except HubAway as error:
        raise Denied(503, "hub-away", str(error)) from error
    except HubRefuses as error:
        refusal = "" if await _is_fulfilled(board, who, wish) else str(error)
    snapshot = await board.books.snapshot()
    holder = Holder.lab(who.name, wish.server)
    for ticket in snapshot.tickets:
        if ticket.request.holder == holder:
            return answer(Answer(ticket=_without_secrets(ticket)))
    if refusal:
        raise Denied(409, "refused", refusal)
    for lease in snapshot.leases:
        if lease.request.holder == holder:
            return answer(Answer(lease=_lease_without_secrets(lease)))
    return JSONResponse({"lease": None, "ticket": None, **_STARTING}, status_code=202)


async def _is_fulfilled(board: Board, who: Principal, wish: Wish) -> bool:
    """Whether the lab is there as wished: its user may not have heard the answer."""
    try:
        lab = await board.hub.lab(who.name, wish.server)
    except (HubAway, HubRefuses):
        return False
    return lab is not None and lab.options == wish.options


async def _drive(
    board: Board,
    who: Principal,
    lease: str,
    change: Callable[[Ledger, datetime], Lease],
) -> Response:
    """Change a lease that is the caller's to drive; else refuse."""

    def work(ledger: Ledger, now: datetime) -> Lease | None:
        return change(ledger, now) if who.may_drive(ledger.lease(lease)) else None

    changed = await board.books.write("change", work)
    if changed is None:
        msg = f"The lease {lease} is not one that {who.name} starts and ends."
        raise forbidden(msg)
    return answer(changed)


def _lease(lease: Lease, who: Principal) -> Response:
    return answer(lease if who.may_drive(lease) else _lease_without_secrets(lease))


def _lease_without_secrets(lease: Lease) -> Lease:
    return replace(lease, request=_request_without_secrets(lease.request), taker=None)


def _without_secrets(ticket: Ticket) -> Ticket:
    return replace(ticket, request=_request_without_secrets(ticket.request))


def _request_without_secrets(request: Request) -> Request:
    """Leave out what lets somebody act in the place of whoever asked."""
    return replace(request, key="", options="")
