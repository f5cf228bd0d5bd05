"""The lab's one connection to ClearML: made when first needed, shared by requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from waylab_clearml.client import Client
from waylab_clearml.errors import CredentialsError
from waylab_clearml.names import current_user
from waylab_lab.settings import LabSettings

P = ParamSpec("P")
T = TypeVar("T")


class Connection:
    """Runs the blocking calls of `waylab_clearml` beside the server's event loop."""

    def __init__(self, settings: LabSettings) -> None:
        """Keep the settings; nothing is sent yet."""
        self.settings = settings
        self._client: Client | None = None
        self._user: tuple[str, str] | None = None
        self._lock = threading.Lock()

    async def run(
        self,
        function: Callable[Concatenate[Client, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a function with the client in a thread, and give what it gives.

        Raises:
            CredentialsError: this lab has no credentials.
            ClearMLError: what the function raises.
        """
        return await asyncio.to_thread(function, self.client(), *args, **kwargs)

    def client(self) -> Client:
        """Give the client; safe in any thread. Raises CredentialsError."""
        with self._lock:
            if self._client is None:
                credentials = self.settings.credentials
                if credentials is None:
                    raise CredentialsError(self.settings.credentials_problem)
                self._client = Client(credentials)
            return self._client

    async def user_id(self) -> str:
        """Give the id of the user as whom this lab acts."""
        if self._user is None:
            self._user = await self.run(current_user)
        return self._user[0]

    def close(self) -> None:
        """Close the client, if one was made."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None
