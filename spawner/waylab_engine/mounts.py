"""What a container sees of the world outside: the home, the shares, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waylab_engine.errors import PlanError
from waylab_engine.names import home_volume
from waylab_site.model import Homes, HomesKind, Share
from waylab_site.slug import slug

HOME = "/home/lab"
"""Where a user's home is in every container."""

USER_FIELD = "{user}"


@dataclass(frozen=True)
class Mount:
    """A folder of the node, or a named volume, at a place in the container.

    Exactly one of `folder` and `volume` is set. `is_made` says that the folder is
    made if it is missing; `is_given` that it is handed to the container's user if it
    belongs to root.
    """

    target: str
    folder: str | None = None
    volume: str | None = None
    read_only: bool = False
    is_made: bool = False
    is_given: bool = False

    @property
    def source(self) -> str:
        """Name the folder or the volume."""
        return self.folder or self.volume or ""


def home(homes: Homes, site_id: str, user: str) -> Mount:
    """Give a user's home.

    Raises:
        PlanError: homes are folders, and the site does not say where.
    """
    if homes.kind is HomesKind.VOLUME:
        return Mount(HOME, volume=home_volume(site_id, user), is_given=True)
    if homes.path is None or USER_FIELD not in homes.path:
        msg = (
            f"The homes' path is {homes.path!r}: write one with {USER_FIELD} in it, "
            'as path = "/srv/homes/{user}".'
        )
        raise PlanError(msg)
    folder = expand(homes.path, user)
    return Mount(HOME, folder=folder, is_made=True, is_given=True)


def shares_of(
    shares: Sequence[Share], user: str, groups: Sequence[str]
) -> tuple[Mount, ...]:
    """Give the shares that a user of these groups sees."""
    return tuple(
        _share(share, user)
        for share in shares
        if not share.groups or set(share.groups) & set(groups)
    )


def expand(template: str, user: str) -> str:
    """Put a user's slug into a path: it holds neither `/` nor `.`, so stays there."""
    return template.replace(USER_FIELD, slug(user))


def _share(share: Share, user: str) -> Mount:
    own = USER_FIELD in (share.path or "")
    read_only = share.mode == "ro"
    return Mount(
        expand(share.mount, user),
        folder=None if share.path is None else expand(share.path, user),
        volume=share.volume,
        read_only=read_only,
        is_made=own and not read_only,
        is_given=not read_only and (own or share.volume is not None),
    )
