"""Who is calling: by the `Authorization` header, or by a browser's session."""

from __future__ import annotations

import hmac

from fastapi import Request

from waylab_board.errors import Denied, HubAway, forbidden, not_signed_in
from waylab_board.hub import Hub
from waylab_board.node_keys import NodeKeys
from waylab_board.principals import Principal, Role
from waylab_board.signin import SignIn
from waylab_site.model import HUB_NODE, SERVICES_QUEUE, Site

XSRF_HEADER = "X-XSRFToken"
SAFE = frozenset({"GET", "HEAD"})
OPERATOR = "operator"


class Callers:
    """Tells who sends a request."""

    def __init__(  # noqa: PLR0913 - one argument a kind of token.
        self,
        *,
        service: str,
        site: Site,
        hub: Hub,
        sign_in: SignIn,
        node_keys: NodeKeys,
        hub_token: str,
        operator_token: str,
    ) -> None:
        """Empty tokens are nobody's."""
        self._service = service
        self._site = site
        self._hub = hub
        self._sign_in = sign_in
        self._node_keys = node_keys
        self._hub_token = hub_token
        self._operator_token = operator_token

    async def who(self, request: Request) -> Principal:
        """Give the caller.

        Raises:
            Denied: nobody knows it, or a browser's request may be forged.
        """
        header = request.headers.get("Authorization", "")
        if header:
            kind, _, token = header.partition(" ")
            if kind.lower() not in {"token", "bearer"} or not token:
                msg = "Write `Authorization: token <your token>`."
                raise not_signed_in(msg)
            return await self.by_token(token.strip())
        return await self.by_cookie(request)

    async def by_cookie(self, request: Request) -> Principal:
        """Give the user of a browser's session.

        Raises:
            Denied: there is none, or the request may be forged.
        """
        token = self._sign_in.token_of(request)
        if token is None:
            msg = (
                "Sign in, or send a hub token as `Authorization: token <your token>`: "
                "the hub's page Tokens makes them."
            )
            raise not_signed_in(msg)
        if request.method not in SAFE:
            sent = request.headers.get(XSRF_HEADER, "")
            if not hmac.compare_digest(
                sent.encode(), self._sign_in.xsrf(token).encode()
            ):
                msg = f"The header {XSRF_HEADER} is missing or wrong: reload the page."
                raise forbidden(msg)
        elif request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
            msg = "Another site may not read this."
            raise forbidden(msg)
        return await self._user(token)

    async def by_token(self, token: str) -> Principal:
        """Give whom a token belongs to.

        Raises:
            Denied: nobody knows it.
        """
        if _same(token, self._hub_token):
            return Principal(Role.HUB, "hub")
        if _same(token, self._operator_token):
            return Principal(Role.USER, OPERATOR, admin=True)
        node = self._node_keys.node_of(token)
        if node is not None:
            return self._node(node)
        return await self._user(token)

    def _node(self, name: str) -> Principal:
        node = next((one for one in self._site.nodes if one.name == name), None)
        if name == HUB_NODE and self._site.local_node is None:
            return Principal(Role.NODE, name, node=name, queues=(SERVICES_QUEUE,))
        if node is None:
            msg = f"The site has no node {name} any more: its token is of no use."
            raise forbidden(msg)
        queues = (*self._site.queues_of(node), SERVICES_QUEUE)
        return Principal(Role.NODE, name, node=name, queues=queues)

    async def _user(self, token: str) -> Principal:
        try:
            user = await self._hub.owner(token)
        except HubAway as error:
            msg = f"The hub is away and cannot say who you are: {error}"
            raise Denied(503, "hub-away", msg) from error
        if user is None:
            msg = "The token is unknown, revoked or too old."
            raise not_signed_in(msg)
        if not user.may_use(self._service):
            msg = f"The token lacks the scope access:services!service={self._service}."
            raise forbidden(msg)
        return Principal(Role.USER, user.name, admin=user.admin, groups=user.groups)


def _same(given: str, kept: str) -> bool:
    return bool(kept) and hmac.compare_digest(given.encode(), kept.encode())
