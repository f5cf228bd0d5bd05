"""The lab's connections to ClearML: made when first needed, shared by requests."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import CredentialsError
from waylab_clearml.rights import Rights, rights
from waylab_lab.settings import LabSettings

P = ParamSpec("P")
T = TypeVar("T")

# A view asks again soon, and should tell early that the server is away; a submission
# or a large download should rather sit out a restart.
GLANCE_SECONDS = 6.0
ACTION_SECONDS = 60.0
# Calls that wait for an absent server must not take the Jupyter server's own threads.
_THREADS = 12


class Connection:
    """Runs the blocking calls of `waylab_clearml` beside the server's event loop."""

    def __init__(self, settings: LabSettings) -> None:
        """Keep the settings; nothing is sent yet."""
        self.settings = settings
        self._clients: dict[float, Client] = {}
        self._retired: list[Client] = []
        self._rights: Rights | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="waylab")

    async def glance(
        self,
        function: Callable[Concatenate[Client, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a function that only looks with a client, and give what it gives.

        Raises:
            CredentialsError: this lab has no credentials.
            ClearMLError: what the function raises.
        """
        client = self.client(GLANCE_SECONDS)
        return await self.thread(function, client, *args, **kwargs)

    async def act(
        self,
        function: Callable[Concatenate[Client, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do as `glance` does for a function that changes or moves much: patiently."""
        client = self.client(ACTION_SECONDS)
        return await self.thread(function, client, *args, **kwargs)

    async def thread(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a blocking function in a thread."""
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def client(self, timeout_seconds: float = GLANCE_SECONDS) -> Client:
        """Give the client of that patience; safe in any thread.

        Raises:
            CredentialsError: this lab has no credentials.
        """
        with self._lock:
            credentials = self.settings.credentials
            if credentials is None:
                raise CredentialsError(self.settings.credentials_problem)
            if timeout_seconds not in self._clients:
                client = Client(credentials, timeout_seconds=timeout_seconds)
                self._clients[timeout_seconds] = client
            return self._clients[timeout_seconds]

    def use(self, credentials: Credentials) -> None:
        """Speak with other keys of the same user from now on; safe in any thread."""
        with self._lock:
            self.settings = replace(self.settings, credentials=credentials)
            # Calls under way keep their client; by the next time they have ended.
            retired, self._retired = self._retired, list(self._clients.values())
            self._clients.clear()
        for client in retired:
            client.close()

    def close(self) -> None:
        """Close all connections; calls that are under way fail."""
        with self._lock:
            clients = [*self._retired, *self._clients.values()]
            self._retired, self._clients = [], {}
        for client in clients:
            client.close()

    async def rights(self) -> Rights:
        """Give what the user as whom this lab acts may change."""
        if self._rights is None:
            self._rights = await self.glance(rights)
        return self._rights

    async def user_id(self) -> str:
        """Give the id of the user as whom this lab acts."""
        return (await self.rights()).user_id
