"""Users' own key pairs for their PCs, by name; the embedded server makes them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date

from waylab_board.errors import KeysError
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import ProtocolError

MOST = 20
_LABEL = re.compile(r"pc (\d{4}-\d\d-\d\d) (.+)")
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class PcKey:
    """A key pair of a PC; the secret is known only as it is made."""

    name: str
    access_key: str
    made_on: str
    secret_key: str = field(default="", repr=False)


class PcKeys:
    """Makes, lists and ends users' keys as the `system` principal; for threads.

    Keys of labs and those that the command line made are none of a PC.
    """

    def __init__(self, system: Credentials) -> None:
        """Nothing is sent before the first call."""
        self._system = system

    def of_user(self, user: str) -> tuple[PcKey, ...]:
        """List a user's, the oldest first.

        Raises:
            ClearMLError: the server is away, or does not know the user.
        """
        with self._acting_for(user) as client:
            return _listed(client)

    def make(self, user: str, name: str, today: date) -> PcKey:
        """Make a key pair of a user for the PC of this name.

        Raises:
            KeysError: one of this name is there, or there are too many.
            ClearMLError: the server is away, or does not know the user.
        """
        with self._acting_for(user) as client:
            known = _listed(client)
            if any(one.name == name for one in known):
                msg = f"You have keys for {name!r}: revoke them, or take another name."
                raise KeysError(msg)
            if len(known) >= MOST:
                msg = f"You have keys for {MOST} PCs: revoke some that you do not use."
                raise KeysError(msg)
            label = {"label": f"pc {today.isoformat()} {name}"}
            answer = client.call("auth.create_credentials", label)
        try:
            made = answer["credentials"]
            return PcKey(
                name=name,
                access_key=str(made["access_key"]),
                made_on=today.isoformat(),
                secret_key=str(made["secret_key"]),
            )
        except (KeyError, TypeError) as error:
            msg = f"The answer about the new keys of {user} lacks {error}."
            raise ProtocolError(msg) from error

    def revoke(self, user: str, access_key: str) -> bool:
        """End a PC's keys at once, and what signed in with them; False: none such.

        Raises:
            ClearMLError: the server is away, or does not know the user.
        """
        with self._acting_for(user) as client:
            if all(one.access_key != access_key for one in _listed(client)):
                return False
            client.call("auth.revoke_credentials", {"access_key": access_key})
        return True

    def _acting_for(self, user: str) -> Client:
        acting = replace(self._system, impersonate=user)
        return Client(acting, timeout_seconds=_TIMEOUT_SECONDS)


def _listed(client: Client) -> tuple[PcKey, ...]:
    rows = client.call("auth.get_credentials", {}).get("credentials") or []
    return tuple(
        PcKey(name=found[2], access_key=str(row["access_key"]), made_on=found[1])
        for row in rows
        if (found := _LABEL.fullmatch(str(row.get("label") or "")))
    )
