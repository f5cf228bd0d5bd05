"""Names behind the ids in a task, remembered for a while per client."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from waylab_clearml.client import Client
from waylab_clearml.errors import ApiError, BadRequest, SubmitError

REMEMBER_SECONDS = 60.0
NOT_UNIQUE = 801
MIN_NAME = 3  # ClearML Server refuses shorter ones.


class NameBook:
    """Looks up the names of projects, users and queues by id."""

    def __init__(self, client: Client) -> None:
        """Start with an empty memory."""
        self._client = client
        self._known: dict[tuple[str, str], tuple[str, float]] = {}

    def names(self, kind: str, ids: Iterable[str]) -> dict[str, str]:
        """Map ids of one kind (`projects`, `users`, `queues`) to names.

        An id whose name cannot be seen is mapped to itself.
        """
        now = time.monotonic()
        wanted = {one for one in ids if one}
        missing = [
            one
            for one in wanted
            if self._known.get((kind, one), ("", -1.0))[1] < now - REMEMBER_SECONDS
            or (kind, one) not in self._known
        ]
        if missing:
            for one, name in self._fetch(kind, missing).items():
                self._known[(kind, one)] = (name, now)
        return {one: self._known.get((kind, one), (one, now))[0] for one in wanted}

    def _fetch(self, kind: str, ids: list[str]) -> dict[str, str]:
        body = {"id": ids, "only_fields": ["id", "name"], "search_hidden": True}
        try:
            found = self._client.call(f"{kind}.get_all", body).get(kind) or ()
        except ApiError:
            found = ()  # Names are a nicety: ids do where they may not be asked for.
        named = {one["id"]: str(one.get("name") or one["id"]) for one in found}
        return {one: named.get(one, one) for one in ids}


_BOOKS: WeakKeyDictionary[Client, NameBook] = WeakKeyDictionary()


def name_book(client: Client) -> NameBook:
    """Give the memory of names that belongs to a client."""
    return _BOOKS.setdefault(client, NameBook(client))


def current_user(client: Client) -> tuple[str, str]:
    """Give (id, name) of the user that the client acts as."""
    user = client.call("users.get_current_user", {}).get("user") or {}
    return str(user.get("id", "")), str(user.get("name", ""))


def ensure_project(client: Client, name: str) -> str:
    """Give the id of the project of that name, making it if there is none.

    Raises:
        SubmitError: the name is too short for ClearML.
    """
    if len(name) < MIN_NAME:
        msg = f"The project's name {name!r} is too short: {MIN_NAME} letters or more."
        raise SubmitError(msg)
    found = _project(client, name)
    if found is None:
        try:
            made = client.call("projects.create", {"name": name, "description": ""})
            return str(made["id"])
        except BadRequest as error:
            found = _project(client, name) if error.subcode == NOT_UNIQUE else None
            if found is None:  # Somebody else has not just made it: a real refusal.
                raise
    return found


def _project(client: Client, name: str) -> str | None:
    body = {
        "name": f"^{re.escape(name)}$",
        "only_fields": ["id", "name"],
        "search_hidden": True,
    }
    for project in client.call("projects.get_all", body).get("projects") or ():
        if project.get("name") == name:
            return str(project["id"])
    return None
