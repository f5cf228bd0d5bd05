"""What the endpoints ask of a request: the board, and who is calling."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import Response

from waylab_board.board import Board
from waylab_board.principals import Principal, Role
from waylab_ledger.wire import adapter


def the_board(request: Request) -> Board:
    """Give the board that the application was made with."""
    board: Board = request.app.state.board
    return board


async def caller(request: Request) -> Principal:
    """Give who is calling.

    Raises:
        Denied: nobody knows.
    """
    return await the_board(request).callers.who(request)


async def admin(request: Request) -> Principal:
    """Give who is calling, an admin.

    Raises:
        Denied: it is none.
    """
    who = await caller(request)
    who.require_admin("do that")
    return who


async def hub_process(request: Request) -> Principal:
    """Give who is calling, the hub.

    Raises:
        Denied: it is somebody else.
    """
    who = await caller(request)
    who.require_role(Role.HUB)
    return who


BoardDep = Annotated[Board, Depends(the_board)]
Caller = Annotated[Principal, Depends(caller)]
Admin = Annotated[Principal, Depends(admin)]


def answer(value: object, kind: Any = None) -> Response:
    """Give a value of the ledger as JSON; `kind` where it is not the value's own."""
    text = adapter(kind or type(value)).dump_json(value)
    return Response(text, media_type="application/json")
