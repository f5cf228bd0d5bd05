"""Endpoints of the keys that users make for their PCs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from starlette.responses import JSONResponse, Response

from waylab_board.board import Board
from waylab_board.dependencies import BoardDep, Caller
from waylab_board.errors import Denied, KeysError, bad_request
from waylab_board.pc_keys import PcKey, PcKeys
from waylab_clearml.errors import ClearMLError, Unauthorized
from waylab_ledger.errors import NotFound

router = APIRouter(tags=["ClearML keys"])
T = TypeVar("T")
UserName = Annotated[str, Query(max_length=200)]


def _printable(text: str) -> str:
    if not text.isprintable():
        msg = "write it in characters that can be printed"
        raise ValueError(msg)
    return text


class Pc(BaseModel):
    """A PC that a user names."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=60),
        AfterValidator(_printable),
    ]


@router.get("/pc-keys")
async def listed(board: BoardDep, who: Caller, user: UserName = "") -> Response:
    """List the key pairs that a user made for PCs, without the secrets.

    Those are the caller's own; admins may name another `user`.
    """
    keys, name = _keys(board), who.whose_keys(user)
    found = await _asked(lambda: keys.of_user(name))
    return JSONResponse({"user": name, "keys": [_shown(one) for one in found]})


@router.post("/pc-keys")
async def make(pc: Pc, board: BoardDep, who: Caller) -> Response:
    """Make a key pair for a PC of the caller's; its secret is told this once."""
    keys, name = _keys(board), who.whose_keys()
    today = datetime.now(UTC).date()
    try:
        made = await _asked(lambda: keys.make(name, pc.name, today))
    except KeysError as error:
        raise bad_request(str(error)) from error
    told = {**_shown(made), "secret_key": made.secret_key}
    return JSONResponse(
        {"user": name, "key": told}, headers={"Cache-Control": "no-store"}
    )


@router.delete("/pc-keys/{access_key}")
async def revoke(
    access_key: Annotated[str, Path(max_length=200)],
    board: BoardDep,
    who: Caller,
    user: UserName = "",
) -> Response:
    """Revoke a PC's key pair at once; admins may name another `user`."""
    keys, name = _keys(board), who.whose_keys(user)
    known = await _asked(lambda: keys.revoke(name, access_key))
    return JSONResponse({"user": name, "revoked": known})


async def _asked(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except Unauthorized as error:
        msg = "Tracking does not know you yet: sign out of the hub, and in again."
        raise Denied(409, "conflict", msg) from error
    except ClearMLError as error:
        msg = f"Tracking does not answer now: {error}"
        raise Denied(503, "busy", msg) from error


def _keys(board: Board) -> PcKeys:
    if board.pc_keys is None:
        msg = (
            "A PC speaks to this site's ClearML Server itself: make keys there, under "
            "Settings, Workspace, App Credentials."
            if board.keyring is not None
            else "The board has no ClearML to ask: set WAYLAB_BOARD_TRACKING_API_URL."
        )
        raise NotFound(msg)
    return board.pc_keys


def _shown(key: PcKey) -> dict[str, str]:
    return {"name": key.name, "access_key": key.access_key, "made_on": key.made_on}
