"""Who sees which project, on the embedded server; a ClearML Server shows all to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from waylab_clearml.client import Client
from waylab_clearml.errors import BadRequest, NotFound, ProtocolError


class Visibility(StrEnum):
    """Who sees a project."""

    PUBLIC = "public"
    """Whoever may sign in."""
    PRIVATE = "private"
    """Its owner, and users by name."""
    GROUP = "group"
    """These, and the members of groups."""
    INHERIT = "inherit"
    """Whoever sees the project above."""


@dataclass(frozen=True)
class Sharing:
    """Who sees a project; `inherited_from` names the project above that says so."""

    id: str
    name: str
    owner: str
    visibility: Visibility
    inherited_from: str | None
    users: tuple[str, ...]
    groups: tuple[str, ...]

    @classmethod
    def from_answer(cls, told: Mapping[str, Any]) -> Sharing:
        """Read an answer of the server."""
        try:
            return cls(
                id=str(told["id"]),
                name=str(told["name"]),
                owner=str(told["owner"]),
                visibility=Visibility(told["visibility"]),
                inherited_from=told["inherited_from"],
                users=tuple(map(str, told["users"])),
                groups=tuple(map(str, told["groups"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            msg = f"The server tells of a project what is not understood: {error!r}"
            raise ProtocolError(msg) from error


def list_projects(client: Client) -> list[Sharing]:
    """Give the projects that the caller sees, by name, and who else does.

    Raises:
        BadRequest: the server has no such thing, as a ClearML Server.
        ClearMLError: it does not answer.
    """
    found = _call(client, "waylab.get_sharing", {})["projects"]
    return [Sharing.from_answer(one) for one in found]


def share(
    client: Client,
    project: str,
    visibility: Visibility,
    *,
    users: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Sharing:
    """Set who sees a project, given by name or id, and those below it.

    Raises:
        NotFound: the caller sees no such project.
        BadRequest: a user or a group is not known, or the server has no such thing.
        Forbidden: the project is another's.
        ClearMLError: the server does not answer.
    """
    known = [one for one in list_projects(client) if project in (one.name, one.id)]
    if not known:
        msg = f"There is no project {project!r}: `waylab projects list` names them."
        raise NotFound(msg)
    body = {
        "project": known[0].id,
        "visibility": visibility.value,
        "users": list(users),
        "groups": list(groups),
    }
    return Sharing.from_answer(_call(client, "waylab.share_project", body)["project"])


def _call(client: Client, endpoint: str, body: dict[str, Any]) -> Mapping[str, Any]:
    try:
        return client.call(endpoint, body)
    except BadRequest as error:
        if "Invalid request path" not in str(error):
            raise
        msg = "This ClearML Server shows every project to everybody."
        raise BadRequest(msg) from error
