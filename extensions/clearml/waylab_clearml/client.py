"""The one seam to a ClearML server: calls, uploads, downloads."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, Self

from waylab_clearml.credentials import Credentials


class Client:
    """A connection to a ClearML server with one set of credentials.

    A context manager; may be shared by threads. It logs in when first needed.
    """

    def __init__(
        self, credentials: Credentials, *, timeout_seconds: float = 30.0
    ) -> None:
        """Prepare a client; nothing is sent yet.

        `timeout_seconds` bounds each call as a whole, retries included.
        """
        self.credentials = credentials
        self.timeout_seconds = timeout_seconds

    def __enter__(self) -> Self:
        """Give the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; the client is of no use afterwards."""

    def call(self, endpoint: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST a request such as `tasks.get_all` and give the answer's `data`.

        Raises:
            Unreachable: no answer in time. ApiError: the server refused.
        """
        raise NotImplementedError

    def upload(
        self, target_path: str, content: bytes | BinaryIO, content_type: str
    ) -> str:
        """Store a file and give its URL; an existing one is replaced.

        `target_path` is relative to the file server's root, as in
        `<project>/<task name>.<task id>/artifacts/<key>/<file>`, unquoted.
        """
        raise NotImplementedError

    def download(self, url: str, *, allow_foreign: bool = False) -> Iterator[bytes]:
        """Give the bytes of a file in pieces.

        Credentials go to the site's file server only; another host is refused unless
        `allow_foreign`, and is then asked without them.
        """
        raise NotImplementedError

    def read(self, url: str, *, limit_bytes: int) -> bytes:
        """Give a whole file of at most `limit_bytes` (ProtocolError if larger)."""
        raise NotImplementedError
