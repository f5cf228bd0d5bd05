"""Routes of the launcher's section "Waylab starters"."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict

from waylab_lab.base import FormError, WaylabHandler, route
from waylab_lab.starters import UnknownStarterError, copy_starter, list_starters


class _Wish(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    folder: str = ""


class StartersHandler(WaylabHandler):
    """`GET starters` lists them, `POST starters {name, folder}` copies one."""

    @route
    async def get(self) -> None:
        """Answer `{starters}`."""
        found = await self.connection.thread(
            list_starters, self.connection.settings.starters
        )
        self.finish({"starters": [asdict(starter) for starter in found]})

    @route
    async def post(self) -> None:
        """Answer `{path}` of the new copy."""
        wish = self.body(_Wish)
        folder = self.root.resolve(wish.folder)
        try:
            path = await self.connection.thread(
                copy_starter, self.connection.settings.starters, wish.name, folder
            )
        except UnknownStarterError as error:
            raise FormError({"name": str(error)}) from error
        except OSError as error:
            message = f"Cannot write into {wish.folder or '/'!r}: {error.strerror}."
            raise FormError({"folder": message}) from error
        self.set_status(201)
        self.finish({"path": self.root.contents_path(path)})
