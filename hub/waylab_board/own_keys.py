"""Endpoints of ClearML keys: users' own, and what jobs act with for their owners."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import JSONResponse, Response

from waylab_board.board import Board
from waylab_board.dependencies import BoardDep, Caller
from waylab_board.errors import Denied, KeysError, bad_request, forbidden
from waylab_board.keyring import Keyring, Keys
from waylab_board.principals import Principal, Role
from waylab_clearml.errors import ApiError, ClearMLError
from waylab_ledger.errors import Conflict, NotFound
from waylab_ledger.values import Lease, LeaseState

router = APIRouter(tags=["ClearML keys"])
Key = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
]
UserName = Annotated[str, Query(max_length=200)]


class KeyPair(BaseModel):
    """A key pair of a ClearML user."""

    model_config = ConfigDict(extra="ignore")

    access_key: Key
    secret_key: Key


@router.get("/clearml-keys")
async def mine(board: BoardDep, who: Caller, user: UserName = "") -> Response:
    """Say which ClearML keys a user has entered, without the secret.

    That is the caller's own; admins may name another `user`.
    """
    keyring = _keyring(board)
    name = who.whose_keys(user)
    keys = await asyncio.to_thread(keyring.of_user, name)
    return JSONResponse({"user": name, "keys": _shown(keys) if keys else None})


@router.put("/clearml-keys")
async def enter(
    pair: KeyPair, board: BoardDep, who: Caller, user: UserName = ""
) -> Response:
    """Enter a ClearML key pair; it is checked, and kept encrypted.

    The user's labs and jobs work with it. Admins may name another `user`, such as the
    account that runs tasks of unknown owners.
    """
    keyring = _keyring(board)
    name = who.whose_keys(user)
    try:
        keys = await asyncio.to_thread(
            keyring.enter, name, pair.access_key, pair.secret_key
        )
    except KeysError as error:
        raise bad_request(str(error)) from error
    except ClearMLError as error:
        msg = f"The keys cannot be checked now: {error}"
        raise Denied(503, "busy", msg) from error
    return JSONResponse({"user": name, "keys": _shown(keys)})


@router.delete("/clearml-keys")
async def forget(board: BoardDep, who: Caller, user: UserName = "") -> Response:
    """Forget a user's ClearML keys; what runs with them goes on."""
    keyring = _keyring(board)
    name = who.whose_keys(user)
    known = await asyncio.to_thread(keyring.forget, name)
    return JSONResponse({"user": name, "forgotten": known})


@router.get("/clearml-keys/{user}/secret")
async def for_a_lab(
    user: Annotated[str, Path(max_length=200)], board: BoardDep, who: Caller
) -> Response:
    """Give a user's key pair for a lab; for the hub."""
    who.require_role(Role.HUB)
    keys = await asyncio.to_thread(_keyring(board).of_user, user)
    return _pair(keys, user)


@router.get("/leases/{lease}/credentials")
async def for_a_job(lease: str, board: BoardDep, who: Caller) -> Response:
    """Give what a lease's job acts with for its owner; for the lease's node.

    That is the key pair that the owner has entered, or, of the embedded server, a token
    that is good while the task is claimed or runs: one for the last words on a task is
    to be had after its lease is released, too.
    """
    who.require_role(Role.NODE)
    found = await board.books.read("lease", lambda ledger, _: ledger.lease(lease))
    await _check_driven(board, who, found)
    user = found.request.user
    if board.keyring is not None:
        return _pair(await asyncio.to_thread(board.keyring.of_user, user), user)
    if board.job_tokens is None:
        msg = "The board has no ClearML to ask: set WAYLAB_BOARD_TRACKING_API_URL."
        raise NotFound(msg)
    task = found.request.holder.text.removeprefix("job:")
    try:
        made = await asyncio.to_thread(board.job_tokens.make, task)
    except ApiError as error:
        raise Conflict(str(error)) from error
    except ClearMLError as error:
        msg = f"ClearML gives no token now: {error}"
        raise Denied(503, "busy", msg) from error
    answer = {"user": made.user, "token": made.token}
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


async def _check_driven(board: Board, who: Principal, lease: Lease) -> None:
    if lease.state is LeaseState.PENDING or not who.may_drive(lease):
        msg = f"Lease {lease.id} is not held by a job of {who.node}: it gets no keys."
        raise forbidden(msg)
    if lease.state is not LeaseState.RELEASED:
        return
    snapshot = await board.books.snapshot()
    successor = any(
        one.request.holder == lease.request.holder for one in snapshot.leases
    )
    if board.keyring is not None or successor:
        msg = f"Lease {lease.id} is over: there are no keys for it any more."
        raise forbidden(msg)


def _keyring(board: Board) -> Keyring:
    if board.keyring is None:
        msg = "This site has its own ClearML: the hub makes everybody's keys."
        raise NotFound(msg)
    return board.keyring


def _shown(keys: Keys) -> dict[str, str]:
    return {
        "clearml_user": keys.clearml_name,
        "access_key": keys.access_key,
        "entered_at": keys.entered_at,
    }


def _pair(keys: Keys | None, user: str) -> Response:
    if keys is None:
        msg = (
            f"{user} has entered no ClearML keys: enter them on the hub's page \"My "
            'ClearML".'
        )
        raise NotFound(msg)
    found = {
        "user": keys.user,
        "access_key": keys.access_key,
        "secret_key": keys.secret_key,
    }
    return JSONResponse(found, headers={"Cache-Control": "no-store"})
