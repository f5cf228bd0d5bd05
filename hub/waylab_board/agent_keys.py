"""The ClearML keys of a node's agent that joins from a machine of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import BadRequest, ClearMLError, Forbidden

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeyPair:
    """An access key and its secret."""

    access_key: str
    secret_key: str = field(repr=False)


class AgentKeys:
    """Makes and ends agents' keys as the `system` principal; for a thread."""

    def __init__(self, system: Credentials, *, timeout_seconds: float = 10.0) -> None:
        """Nothing is sent before the first call."""
        self._system = system
        self._timeout = timeout_seconds

    def make(self, node: str) -> KeyPair | None:
        """Give new keys for a node's agent; its earlier ones end.

        None where the server makes no users (ClearML Server): an admin gives them.

        Raises:
            ClearMLError: the server is away or refuses.
        """
        name = _name(node)
        with self._client() as client:
            try:
                client.call("waylab.ensure_user", {"name": name, "role": "agent"})
            except (BadRequest, Forbidden):
                return None
        with self._client(name) as client:
            self._end(client, name)
            made = client.call("auth.create_credentials", {"label": name})
        keys = made["credentials"]
        return KeyPair(str(keys["access_key"]), str(keys["secret_key"]))

    def end(self, node: str) -> None:
        """End the keys of a node's agent, if the server can be asked."""
        name = _name(node)
        try:
            with self._client(name) as client:
                self._end(client, name)
        except ClearMLError as error:
            _log.warning("The ClearML keys of %s are not ended: %s", name, error)

    def _client(self, user: str | None = None) -> Client:
        credentials = replace(self._system, impersonate=user)
        return Client(credentials, timeout_seconds=self._timeout)

    @staticmethod
    def _end(client: Client, label: str) -> None:
        known = client.call("auth.get_credentials", {}).get("credentials") or ()
        for one in known:
            if one.get("label") == label:
                body = {"access_key": one["access_key"]}
                client.call("auth.revoke_credentials", body)


def _name(node: str) -> str:
    return f"agent-{node}"
