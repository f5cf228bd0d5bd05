"""Links to files, kept free of hosts.

The same server is reached as loopback by labs, by another address from nodes, and
through the proxy by browsers. A link that came in with one of these bases goes out
with the base at which the next caller reached us.
"""

from __future__ import annotations

from starlette.requests import Request

from waylab_tracking.settings import TrackingSettings

SCHEME = b"waylab-files://"


class Links:
    """Rewrites links in bodies."""

    def __init__(self, settings: TrackingSettings) -> None:
        """`public_url` is a base beside those that requests tell."""
        self._public = settings.public_url.rstrip("/")

    def base(self, request: Request) -> str:
        """Give the base at which a caller reached us, without a slash at the end."""
        prefix = request.scope.get("waylab_prefix", "")
        if prefix and self._public:
            return self._public
        host = request.headers.get("host", "127.0.0.1")
        return f"{request.url.scheme}://{host}{prefix}"

    def inward(self, body: bytes, request: Request) -> bytes:
        """Take the hosts out of links to our files."""
        for base in {self.base(request), self._public}:
            if base:
                body = body.replace(f"{base}/files/".encode(), SCHEME)
        return body

    def outward(self, body: bytes, request: Request) -> bytes:
        """Put the caller's host into links to our files."""
        return body.replace(SCHEME, f"{self.base(request)}/files/".encode())
