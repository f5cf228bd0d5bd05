"""Where a node's container engine is, and where its published ports are reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LOCAL_SOCKET = "unix:///var/run/docker.sock"
"""Where a machine's own engine listens unless it was told otherwise."""

_URL = re.compile(r"^(?:unix:///\S+|tcp://\S+|ssh://\S+)$")


@dataclass(frozen=True)
class EngineAddress:
    """How to reach an engine.

    `url` is `unix:///path`, `tcp://host:port` or `ssh://user@host`. `host` is the
    address on which a container's published port is bound and reached. `tls_folder`
    holds `ca.pem`, `cert.pem` and `key.pem`, as the docker CLI wants them.

    Raises:
        ValueError: the URL is none of these.
    """

    url: str = LOCAL_SOCKET
    host: str = "127.0.0.1"
    tls_folder: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what is no address of an engine."""
        if not _URL.match(self.url):
            msg = (
                f"{self.url!r} is no address of an engine: write unix:///path, "
                "tcp://host:port or ssh://user@host."
            )
            raise ValueError(msg)
        if self.tls_folder is not None and not self.url.startswith("tcp://"):
            msg = f"TLS is for tcp:// addresses only, and this one is {self.url!r}."
            raise ValueError(msg)

    def __str__(self) -> str:
        """Give the URL."""
        return self.url
