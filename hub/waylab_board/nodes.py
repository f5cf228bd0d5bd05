"""Endpoints of nodes: their agents' reports, what admins do to them, and joining."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi import Request as HttpRequest
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from waylab_board.board import Board
from waylab_board.dependencies import Admin, BoardDep, Caller, answer
from waylab_board.errors import Denied, bad_request, forbidden, not_signed_in
from waylab_board.node_keys import NodeKey
from waylab_board.principals import Principal, Role
from waylab_clearml.errors import ClearMLError
from waylab_ledger.errors import NotFound
from waylab_ledger.values import HolderKind, Lease, LeaseState, NodeReport
from waylab_ledger.wire import Orders, encode

router = APIRouter(tags=["nodes"])
NodeName = Annotated[str, Path(max_length=64)]
TIMEOUT, ABORTED = "timeout", "aborted"


class Fence(BaseModel):
    """The node's name once more, so that nobody fences by mistake.

    A fence that is sent again with the same `key` is not done again: what got a device
    meanwhile keeps it.
    """

    model_config = ConfigDict(extra="ignore")

    confirm: str
    key: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class Invitation(BaseModel):
    """The node that may join.

    Of invitations that are sent with the same `key` only the last one is good.
    """

    model_config = ConfigDict(extra="ignore")

    node: str = Field(max_length=64)
    key: Annotated[str, Field(min_length=1, max_length=64)] | None = None


@router.post("/nodes/{node}/report", response_model=Orders)
async def report(
    node: NodeName, seen: NodeReport, board: BoardDep, who: Caller
) -> Response:
    """Say what a node sees, and hear what is to be done; for its agent."""
    if who.role is not Role.NODE or who.node != node or seen.node != node:
        msg = f"Only the agent of {node} reports for it."
        raise forbidden(msg)
    outcome = await board.books.write(
        "report", lambda ledger, now: ledger.report(seen, now)
    )
    board.reports[node] = seen
    snapshot = await board.books.snapshot()
    now = datetime.now(UTC)
    mine = [
        lease
        for lease in snapshot.leases
        if lease.node == node and lease.request.holder.kind is HolderKind.JOB
    ]
    stop = [lease for lease in mine if lease.state is LeaseState.RELEASING]
    return answer(
        Orders(
            orphans=outcome.orphans,
            grants=tuple(
                lease
                for lease in mine
                if lease.state is LeaseState.PENDING and who.may_drive(lease)
            ),
            stop=tuple(lease.id for lease in stop),
            reasons={lease.id: _why(lease, now) for lease in stop},
            version=outcome.version,
        )
    )


@router.post("/nodes/{node}/drain")
async def drain(node: NodeName, board: BoardDep, who: Admin) -> Response:
    """Let a node take no new leases; what runs goes on; for admins."""
    return await _drain(board, who, node, on=True)


@router.post("/nodes/{node}/undrain")
async def undrain(node: NodeName, board: BoardDep, who: Admin) -> Response:
    """Let a drained node take leases again; for admins."""
    return await _drain(board, who, node, on=False)


@router.post("/nodes/{node}/fence")
async def fence(node: NodeName, body: Fence, board: BoardDep, who: Admin) -> Response:
    """Declare that nothing runs on a node any more and free its devices; for admins.

    What still runs there would share its devices with the next holder: do it only when
    the machine is off, or was looked at. `confirm` is the node's name.
    """
    if body.confirm != node:
        msg = f"`confirm` is {body.confirm!r}: write {node!r} to fence that node."
        raise bad_request(msg)
    await board.books.write(
        "fence", lambda ledger, now: ledger.fence(node, who.name, now, body.key)
    )
    return JSONResponse({"node": node, "fenced": True})


@router.get("/join-tokens")
async def invitations(board: BoardDep, who: Admin) -> Response:
    """List the nodes' tokens and open invitations, without secrets; for admins."""
    keys = board.node_keys
    return JSONResponse(
        {
            "tokens": encode(keys.tokens(), tuple[NodeKey, ...]),
            "invitations": encode(
                keys.invitations(datetime.now(UTC)), tuple[NodeKey, ...]
            ),
        }
    )


@router.post("/join-tokens", status_code=201)
async def invite(body: Invitation, board: BoardDep, who: Admin) -> Response:
    """Make a one-time token with which a node's agent joins; for admins."""
    names = [node.name for node in board.site.nodes]
    if body.node not in names:
        msg = f"The site has no node {body.node!r}; there are: {', '.join(names)}."
        raise NotFound(msg)
    now = datetime.now(UTC)
    key, token = board.node_keys.invite(body.node, who.name, now, body.key)
    url = board.settings.base_url
    command = f"waylab agent join {url} {token}"
    made = {**encode(key), "token": token, "url": url, "command": command}
    return JSONResponse(made, status_code=201)


@router.delete("/join-tokens/{key}")
async def revoke(
    key: Annotated[str, Path(max_length=64)], board: BoardDep, who: Admin
) -> Response:
    """Revoke a node's token or an invitation; it ends at once; for admins."""
    known = next((one for one in board.node_keys.tokens() if one.id == key), None)
    if not board.node_keys.revoke(key):
        msg = f"There is no token {key}."
        raise NotFound(msg)
    # The keys of an agent on the hub's machine are `waylab up`'s to end.
    if known is not None and known.is_invited and board.agent_keys is not None:
        await asyncio.to_thread(board.agent_keys.end, known.node)
    return JSONResponse({"id": key, "revoked": True})


@router.post("/join")
async def join(request: HttpRequest, board: BoardDep) -> Response:
    """Spend an invitation, sent as the token, and give what the node's agent needs.

    That is its own token (its earlier ones end), its queues, the site, and where the
    embedded server is, the addresses and keys of ClearML.
    """
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    node = board.node_keys.invited(token, datetime.now(UTC))
    if node is None:
        raise _not_invited()
    # Before the invitation is spent: if this fails, it is still good.
    membership = await _membership(board, node)
    joined = board.node_keys.join(token, datetime.now(UTC))
    if joined is None:
        raise _not_invited()
    return JSONResponse({**membership, "token": joined[1]})


def _not_invited() -> Denied:
    return not_signed_in(
        "The join token is unknown, spent or too old: an admin makes a new one with "
        "`waylab node add`."
    )


async def _membership(board: Board, name: str) -> dict[str, object]:
    told: dict[str, object] = {"node": name, "site": board.site.model_dump(mode="json")}
    node = next((one for one in board.site.nodes if one.name == name), None)
    if node is not None:
        told["queues"] = board.site.queues_of(node)
    settings = board.settings
    if settings.site_id:
        told["site_id"] = settings.site_id
    if board.agent_keys is None:
        return told
    try:
        keys = await asyncio.to_thread(board.agent_keys.make, name)
    except ClearMLError as error:
        msg = f"ClearML gives {name} no keys now: {error} Try again."
        raise Denied(503, "busy", msg) from error
    if keys is not None:
        api = settings.tracking_api_url
        told["tracking"] = {
            "api_url": api,
            "web_url": settings.tracking_web_url or api,
            "files_url": f"{api}/files",
            **asdict(keys),
        }
    return told


async def _drain(board: Board, who: Principal, node: str, *, on: bool) -> Response:
    await board.books.write(
        "drain", lambda ledger, now: ledger.drain(node, on, who.name, now)
    )
    return JSONResponse({"node": node, "drained": on})


def _why(lease: Lease, now: datetime) -> str:
    is_over = lease.until is not None and lease.until <= now
    return TIMEOUT if is_over else ABORTED
