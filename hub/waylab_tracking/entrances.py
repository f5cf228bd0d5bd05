"""Lets callers in at every route as the table of `access` says.

A route without a row keeps the server from starting: nothing is open by oversight.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waylab_tracking import faults, sight
from waylab_tracking.access import PEOPLE, ROUTES, Entrance, Need
from waylab_tracking.callers import by_header_or_cookie
from waylab_tracking.database import Database
from waylab_tracking.errors import ApiError, forbidden
from waylab_tracking.identity import Identity, Principal

logger = logging.getLogger(__name__)

# A page of all projects names none.
ALL = "*"


class Refuses(Protocol):
    """Shows a refusal to who asked for a page."""

    def refuse(self, request: Request, error: ApiError) -> Response:
        """Ask to sign in, or tell why there is nothing to see."""


class Guard:
    """Asks who comes, before a route's own handler sees the request."""

    def __init__(self, database: Database, identity: Identity, pages: Refuses) -> None:
        """Nothing is asked before the first request."""
        self._database = database
        self._identity = identity
        self._pages = pages

    def route(self, route: Route) -> Route:
        """Give the route behind its entrance; its handler reads `caller(request)`.

        Raises:
            LookupError: a method of the route has no row in the table.
        """
        rows = []
        for method in sorted(set(route.methods or ()) - {"HEAD"}):
            try:
                rows.append(ROUTES[method, route.path])
            except KeyError as error:
                msg = f"{method} {route.path} has no row in access.ROUTES: write one"
                raise LookupError(msg) from error
        if len(set(rows)) != 1:
            msg = f"The rows of {route.path} differ: make routes of its methods"
            raise LookupError(msg)
        entrance, needs = rows[0]
        if entrance in (Entrance.OPEN, Entrance.API):
            return route
        guarded = self._guarded(route.endpoint, entrance, needs)
        return Route(route.path, guarded, methods=sorted(route.methods or ()))

    def _guarded(
        self,
        handler: Callable[[Request], Awaitable[Response]],
        entrance: Entrance,
        needs: tuple[Need, ...],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                request.state.who = await self._database.read(
                    lambda db: self._admit(db, request, needs)
                )
            except sa.exc.DBAPIError as error:
                logger.exception("The database refused to tell who asks")
                status, message = faults.told(error)
                return refusal(ApiError(status, 0, message))
            except ApiError as error:
                if entrance is Entrance.FILES:
                    return refusal(error)
                return self._pages.refuse(request, error)
            return await handler(request)

        return answer

    def _admit(
        self, db: sa.Connection, request: Request, needs: tuple[Need, ...]
    ) -> Principal:
        who = by_header_or_cookie(request, db, self._identity)
        if who.role not in PEOPLE:
            msg = f"files and pages are not for the role {who.role.value}"
            raise forbidden(msg)
        for need in needs:
            named = request.path_params.get(need.field)
            if named != ALL:
                sight.require(db, who, need.kind, [named])
        return who


def caller(request: Request) -> Principal:
    """Give who was let in."""
    who: Principal = request.state.who
    return who


def refusal(error: ApiError) -> Response:
    """Answer a program that something is refused."""
    return JSONResponse({"message": error.message}, status_code=error.status)
