"""What of ours is off where the server must behave as an open ClearML Server does."""

from __future__ import annotations

import logging
from typing import Any

from starlette.requests import Request

from waylab_tracking.callers import IMPERSONATE
from waylab_tracking.errors import ApiError

logger = logging.getLogger(__name__)
SERVICE = "waylab."
EXTENSIONS = frozenset(
    {
        # The paid server's.
        "routers.get_routes",
        "users.get_vaults",
        "workers.cluster_report",
        "workers.cluster_unregister",
        "workers.get_runtime_properties",
        "workers.set_runtime_properties",
    }
)
FIELDS = frozenset({"idempotency_key"})
REFUSED = "Refused the use"
"""What the log says of each refusal."""


def drop_extensions(body: dict[str, Any]) -> None:
    """Take out of a request what an open server does not read."""
    for name in FIELDS & body.keys():
        del body[name]


def refuse_extension(name: str, request: Request) -> None:
    """Refuse what an open server does not have (400).

    Raises:
        ApiError: the endpoint is an extension, or the caller acts for another.
    """
    if name.startswith(SERVICE) or name in EXTENSIONS:
        logger.warning("%s of the extension %s", REFUSED, name)
        raise ApiError(400, 0, f"Invalid request path /{name}")
    if IMPERSONATE in request.headers:
        logger.warning("%s to act for others by %s", REFUSED, name)
        raise ApiError(400, 0, "Nobody acts for others on this server")
