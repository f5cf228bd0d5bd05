"""A lab's own keys for tracking: made at its start, revoked when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_spawner.tracking import KeyPair, Role, Tracking


@dataclass(frozen=True)
class TrackingPlace:
    """Where tracking is: for the hub itself, and for labs."""

    hub_url: str
    api_url: str
    web_url: str
    files_url: str
    key_file: Path


class LabKeys:
    """The keys of one lab, known to tracking by the lab's label."""

    def __init__(self, place: TrackingPlace, user: str, server: str) -> None:
        """Nothing is sent yet."""
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
            await tracking.ensure_user(self._user, role)
            await tracking.revoke_labelled(self._user, self._label)
            keys = await tracking.make_keys(self._user, self._label)
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
