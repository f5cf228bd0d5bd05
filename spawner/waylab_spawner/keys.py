"""A lab's own keys for tracking: made at its start, revoked when it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_ledger.client import BoardClient
from waylab_ledger.errors import LedgerError, NotFound
from waylab_spawner.errors import TrackingError
from waylab_spawner.tracking import KeyPair, Role, Tracking


@dataclass(frozen=True)
class TrackingPlace:
    """Where tracking is: for the hub itself, and for labs."""

    hub_url: str
    api_url: str
    web_url: str
    files_url: str
    key_file: Path


KEYS_DAYS = "WAYLAB_KEYS_DAYS"
"""Variable that tells a lab how old its keys may become."""
NO_KEYS = "WAYLAB_NO_CLEARML"
"""Variable that tells a lab why it has no way to ClearML."""
_NO_KEYS = (
    'You have entered no ClearML keys: enter them on the hub\'s page "My ClearML", '
    "then stop this lab and start it again."
)


class Keys(Protocol):
    """What a lab speaks to tracking with."""

    async def make(self, *, is_admin: bool) -> dict[str, str]:
        """Give the SDK's variables; none where the user has no keys.

        Raises:
            TrackingError: nobody can tell now.
        """

    async def revoke(self) -> None:
        """Take back what was made for this lab.

        Raises:
            TrackingError: it cannot be done now.
        """


class OwnKeys:
    """The keys that the user has entered: for sites with a ClearML Server."""

    def __init__(
        self, place: TrackingPlace, user: str, board: Callable[[], BoardClient]
    ) -> None:
        """Nothing is asked yet; `board` opens a client, which `make` closes."""
        self._place = place
        self._user = user
        self._board = board

    async def make(self, *, is_admin: bool) -> dict[str, str]:
        """Give the SDK's variables, or the one that says what to do for them.

        Raises:
            TrackingError: the board, which keeps them, does not answer.
        """
        del is_admin
        async with self._board() as board:
            try:
                keys = await board.user_keys(self._user)
            except NotFound:
                return {NO_KEYS: _NO_KEYS}
            except LedgerError as error:
                msg = f"Your ClearML keys cannot be had now: {error}"
                raise TrackingError(msg) from error
        return sdk_environment(
            Credentials(
                api_url=self._place.api_url,
                web_url=self._place.web_url,
                files_url=self._place.files_url,
                access_key=keys.access_key,
                secret_key=keys.secret_key,
            )
        )

    async def revoke(self) -> None:
        """Leave them: they are not this lab's alone."""


class LabKeys:
    """The keys of one lab, known to tracking by the lab's label."""

    def __init__(
        self,
        place: TrackingPlace,
        user: str,
        server: str,
        groups: tuple[str, ...],
        *,
        days: float = 0.0,
    ) -> None:
        """Nothing is sent yet; `groups` are the user's at the hub.

        The lab renews keys that are `days` old; never if that is 0.
        """
        self._groups = groups
        self._days = days
        self._place = place
        self._user = user
        self._label = f"lab:{user}/{server}"

    async def make(self, *, is_admin: bool) -> dict[str, str]:
        """Make new keys and give them as the SDK's variables; older ones end.

        Raises:
            TrackingError: tracking refuses, or does not answer in time.
        """
        role: Role = "admin" if is_admin else "user"
        async with self._tracking(15.0) as tracking:
            await tracking.ensure_user(self._user, role, self._groups)
            await tracking.revoke_labelled(self._user, self._label)
            keys = await tracking.make_keys(self._user, self._label)
        environment = sdk_environment(
            Credentials(
                api_url=self._place.api_url,
                web_url=self._place.web_url,
                files_url=self._place.files_url,
                access_key=keys.access_key,
                secret_key=keys.secret_key,
            )
        )
        if self._days:
            environment[KEYS_DAYS] = f"{self._days:g}"
        return environment

    async def revoke(self) -> None:
        """Take the keys back.

        Raises:
            TrackingError: tracking refuses, or does not answer soon.
        """
        async with self._tracking(3.0) as tracking:
            await tracking.revoke_labelled(self._user, self._label)

    def _tracking(self, patience_seconds: float) -> Tracking:
        return Tracking(
            self._place.hub_url,
            KeyPair.from_file(self._place.key_file),
            patience_seconds=patience_seconds,
        )
