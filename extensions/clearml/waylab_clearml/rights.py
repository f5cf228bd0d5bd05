"""Whose runs a client may change, as far as it can be told before asking."""

from __future__ import annotations

from dataclasses import dataclass

from waylab_clearml.client import Client

_ADMINS = frozenset({"admin", "system", "root", "superuser"})
_EMBEDDED = "waylab"


@dataclass(frozen=True)
class Rights:
    """What a user may change: their own, or everybody's."""

    user_id: str
    everything: bool

    def may_change(self, owner_id: str) -> bool:
        """Tell whether the server is likely to let the user change an owner's run."""
        return self.everything or self.user_id == owner_id


def rights(client: Client) -> Rights:
    """Give the rights of the user that the client acts as.

    The embedded server lets owners and admins change a run. An open ClearML Server lets
    everybody, and one with rules of its own tells them when it is asked.
    """
    user = client.call("users.get_current_user", {}).get("user") or {}
    admin = str(user.get("role") or "") in _ADMINS
    everything = admin or client.call("server.info", {}).get("build") != _EMBEDDED
    return Rights(str(user.get("id", "")), everything)
