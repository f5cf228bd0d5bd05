"""The page on which a user changes the password."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyterhub.handlers import BaseHandler
from tornado.web import HTTPError, authenticated

from waylab_hub import passwords
from waylab_hub.errors import PasswordError

_FORBIDDEN = 403
_BAD_REQUEST = 400


class PasswordHandler(BaseHandler):  # type: ignore[misc]
    """Shows the form, and takes a new password from who knows the present one."""

    @authenticated
    async def get(self) -> None:
        """Show the form."""
        await self._show()

    @authenticated
    async def post(self) -> None:
        """Change the password; every other session of the user ends."""
        if self.get_auth_token():
            msg = "A token cannot change the password: sign in with a browser."
            raise HTTPError(_FORBIDDEN, msg)
        user = self.current_user
        old, new, again = (
            self.get_body_argument(name, "", strip=False)
            for name in ("old", "new", "again")
        )
        problem = await self._problem(user.name, old, new, again)
        if problem:
            self.set_status(_BAD_REQUEST)
            await self._show(error=problem)
            return
        stored = await asyncio.to_thread(
            self.authenticator.users.set_password, user.name, new
        )
        self.authenticator.end_sessions(user, stored)
        self.set_login_cookie(user)
        self.log.info("User changed the password: %s", user.name)
        await self._show(done=True)

    async def _problem(self, name: str, old: str, new: str, again: str) -> str:
        if new != again:
            return "The two new passwords differ: type the same one twice."
        try:
            passwords.check(new, name)
        except PasswordError as error:
            return str(error)
        try:
            known = await self.authenticator.check_password(self, name, old)
        except HTTPError as error:
            return str(error.log_message)
        if known is None:
            return "The present password is not right."
        return ""

    async def _show(self, error: str = "", done: bool = False) -> None:
        page: Any = await self.render_template(
            "password.html",
            error=error,
            done=done,
            shortest=passwords.SHORTEST,
            xsrf=self.xsrf_token.decode("ascii"),
        )
        await self.finish(page)
