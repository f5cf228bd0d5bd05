"""Whoever signs in at the hub is known to tracking, role and groups included."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waylab_spawner.errors import TrackingError
from waylab_spawner.tracking import KeyPair, Tracking

_log = logging.getLogger(__name__)
PATIENCE_SECONDS = 3.0
DAY_SECONDS = 24 * 3600


@dataclass(frozen=True)
class SignInHook:
    """What JupyterHub runs after a sign-in (`Authenticator.post_auth_hook`).

    It keeps nobody out: without tracking, the next sign-in or lab start does its work.
    """

    api_url: str
    key_file: Path
    keys_days: float

    async def __call__(
        self, _: Any, handler: Any, authentication: dict[str, Any]
    ) -> dict[str, Any]:
        """Tell tracking of who signed in, and give `authentication` back."""
        name = str(authentication["name"])
        known = handler.find_user(name)
        groups = authentication.get("groups")
        if groups is None:
            groups = [group.name for group in known.groups] if known else []
        is_admin = authentication.get("admin")
        if is_admin is None:
            is_admin = bool(known and known.admin)
        spawners = known.orm_user.orm_spawners.values() if known else ()
        try:
            keys = KeyPair.from_file(self.key_file)
            async with Tracking(
                self.api_url, keys, patience_seconds=PATIENCE_SECONDS
            ) as tracking:
                await welcome(
                    tracking,
                    name,
                    is_admin=is_admin,
                    groups=groups,
                    running=[one.name for one in spawners if one.server is not None],
                    keys_days=self.keys_days,
                )
        except TrackingError as error:
            _log.warning("Tracking does not hear of the sign-in of %s: %s", name, error)
        return authentication


async def welcome(  # noqa: PLR0913 - what the hub knows of one user.
    tracking: Tracking,
    name: str,
    *,
    is_admin: bool,
    groups: Iterable[str],
    running: Iterable[str],
    keys_days: float,
) -> None:
    """Make a user known, and end the keys of labs that are old and do not run.

    `running` names the user's labs that run: their keys stay, however old.

    Raises:
        TrackingError: tracking refuses, or does not answer in time.
    """
    await tracking.ensure_user(name, "admin" if is_admin else "user", groups)
    await tracking.end_lab_keys(
        name,
        older_than_seconds=keys_days * DAY_SECONDS,
        running=[lab_label(name, one) for one in running],
    )


def lab_label(user: str, server: str) -> str:
    """Give the label of a lab's keys."""
    return f"lab:{user}/{server}"
