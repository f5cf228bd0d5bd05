"""Links to files, kept free of hosts.

The same server is reached as loopback by labs, by another address from nodes, and
through the proxy by browsers. A link that came in with one of these bases goes out
with the base at which the next caller reached us.
"""

from __future__ import annotations

import re

from starlette.requests import Request

from waylab_tracking.settings import TrackingSettings

SCHEME = "waylab-files://"
HOST = re.compile(r"[A-Za-z0-9._\-]+(:\d+)?|\[[0-9a-fA-F:]+\](:\d+)?")


class Links:
    """Rewrites links in bodies."""

    def __init__(self, settings: TrackingSettings) -> None:
        """`public_url` and loopback are bases beside those that requests tell."""
        self._public = settings.public_url.rstrip("/")
        self._own = {
            f"http://{host}:{settings.port}{prefix}"
            for host in ("127.0.0.1", "localhost", settings.host)
            for prefix in {"", settings.prefix.rstrip("/")}
        }

    def base(self, request: Request) -> str:
        """Give the base at which a caller reached us, without a slash at the end."""
        host = request.headers.get("host", "")
        prefix = str(request.scope.get("waylab_prefix", ""))
        if not HOST.fullmatch(host):
            return self._public or min(self._own, key=len)
        return f"{request.url.scheme}://{host}{prefix}"

    def inward(self, body: bytes, request: Request) -> bytes:
        """Take the hosts out of links to our files."""
        bases = {self.base(request), self._public, *self._own} - {""}
        if b"/files/" in body:
            for base in bases:
                body = body.replace(f"{base}/files/".encode(), SCHEME.encode())
        return body

    def outward(self, body: bytes, request: Request) -> bytes:
        """Put the caller's base into links to our files."""
        return body.replace(SCHEME.encode(), f"{self.base(request)}/files/".encode())
