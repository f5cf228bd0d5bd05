"""Signing in with the users of the state folder."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from typing import Any

from jupyterhub import orm
from jupyterhub.auth import Authenticator
from tornado.web import HTTPError
from traitlets import Dict, Unicode, default

from waylab_hub.password_page import PasswordHandler
from waylab_hub.throttle import Throttle
from waylab_hub.users import User, Users

_DEVICE_COOKIE = "waylab-device"
_DEVICE_DAYS = 365
_TOO_MANY = 429
_FORBIDDEN = 403


class _TooManyError(HTTPError):
    """JupyterHub copies `headers` of an error into its answer."""

    def __init__(self, message: str, wait_seconds: int) -> None:
        super().__init__(_TOO_MANY, message)
        self.headers = {"Retry-After": str(wait_seconds)}


class WaylabAuthenticator(Authenticator):  # type: ignore[misc]
    """Checks names and passwords against the site's own users, with a throttle."""

    users_file = Unicode(
        help="The SQLite file of users. Example: `/srv/waylab/hub/users.sqlite`.",
    ).tag(config=True)
    only_user = Unicode(
        help="""The one user who may sign in; empty, the default, admits all. Set where
        all labs share one system account and the site did not agree to that.""",
    ).tag(config=True)

    members = Dict(
        help="""The members of each group of the site, by the group's name. With any,
        `manage_groups` must be on, and users are in these groups alone; empty, the
        default, leaves the groups to the hub's admins. Example:
        `{"vision": ["maria"]}`.""",
    ).tag(config=True)

    def __init__(self, **options: Any) -> None:
        """Nothing is opened before the first use."""
        super().__init__(**options)
        self.throttle = Throttle()
        self._users: Users | None = None
        # Hashing takes a core for tens of milliseconds: a flood must not take all.
        self._hashing = asyncio.Semaphore(2)

    @default("allow_all")
    def _default_allow_all(self) -> bool:
        return True  # Whoever is in the users' file is allowed; nobody else can be.

    @property
    def users(self) -> Users:
        """The users' store."""
        if self._users is None:
            self._users = Users(Path(self.users_file))
        return self._users

    async def authenticate(
        self, handler: Any, data: dict[str, str]
    ) -> dict[str, object] | None:
        """Give the user's name and whether it is an admin, None if not right.

        Raises:
            HTTPError: 429 after too many failures, with the seconds to wait; 403 if
                the site admits its first admin only.
        """
        name = self.normalize_username(data.get("username", ""))
        user = await self.check_password(handler, name, data.get("password", ""))
        if user is None:
            return None
        if self.only_user and user.name != self.only_user:
            msg = (
                f"Only {self.only_user} may sign in: all labs of this site run under "
                "one system account. Its admin can admit others with shared_account = "
                "true in waylab.toml, or by running Waylab as root."
            )
            raise HTTPError(_FORBIDDEN, msg)
        self._remember_device(handler, user.name)
        self._apply(handler.find_user(user.name), user)
        return self._told(user)

    async def check_password(
        self, handler: Any, name: str, password: str
    ) -> User | None:
        """Give the user if the password is right, counting failures.

        Raises:
            HTTPError: 429 after too many failures, with the seconds to wait.
        """
        device = self._device(handler, name)
        buckets = self.throttle.buckets(name, handler.request.remote_ip, device)
        wait = self.throttle.wait_seconds(buckets, time.monotonic())
        if wait:
            msg = f"Too many failed sign-ins. Try again in {wait} seconds."
            raise _TooManyError(msg, wait)
        # Counted before the slow comparison, or many at once would all get through.
        self.throttle.fail(buckets, time.monotonic())
        async with self._hashing:
            user = await asyncio.to_thread(self.users.verify, name, password)
        if user is not None:
            self.throttle.succeed(buckets)
        return user

    async def refresh_user(
        self, user: Any, handler: Any = None, **_: Any
    ) -> bool | dict[str, object]:
        """Tell whether a session may go on: the user is there, the password the same.

        A session under an older password ends; a token stays.
        """
        stored = await asyncio.to_thread(self.users.get, user.name)
        if stored is None or (self.only_user and stored.name != self.only_user):
            return False
        if stored.applied != stored.generation:
            self._apply(user, stored)
            token = bool(handler is not None and handler.get_auth_token())
            if not token:
                return False
        return self._told(stored)

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Add the page for changing the password."""
        return [*super().get_handlers(app), ("/password", PasswordHandler)]

    def end_sessions(self, hub_user: Any, stored: User) -> None:
        """End all browser sessions of a user and note the password's generation."""
        hub_user.orm_user.cookie_id = orm.new_token()
        hub_user.db.commit()
        self.users.apply_generation(stored)

    def _told(self, user: User) -> dict[str, object]:
        told: dict[str, object] = {"name": user.name, "admin": user.admin}
        if self.manage_groups:
            named = (name for name, users in self.members.items() if user.name in users)
            told["groups"] = sorted(named)
        return told

    def _apply(self, hub_user: Any, stored: User) -> None:
        if stored.applied == stored.generation:
            return
        if hub_user is None:
            self.users.apply_generation(stored)
            return
        if not stored.applied:
            # A user made anew under an old name: nothing of the old one may work.
            for token in list(hub_user.orm_user.api_tokens):
                hub_user.db.delete(token)
        self.end_sessions(hub_user, stored)

    def _device(self, handler: Any, name: str) -> str | None:
        cookie = handler.get_secure_cookie(_DEVICE_COOKIE, max_age_days=_DEVICE_DAYS)
        if not cookie:
            return None
        owner, _, device = cookie.decode(errors="replace").rpartition("/")
        return device if owner == name and device else None

    def _remember_device(self, handler: Any, name: str) -> None:
        if self._device(handler, name):
            return
        handler.set_secure_cookie(
            _DEVICE_COOKIE,
            f"{name}/{secrets.token_hex(8)}",
            expires_days=_DEVICE_DAYS,
            path=handler.hub.base_url,
            httponly=True,
            samesite="Lax",
            secure=handler.request.protocol == "https",
        )
