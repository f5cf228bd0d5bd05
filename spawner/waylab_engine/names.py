"""Names of containers and volumes."""

from __future__ import annotations

import hashlib

from waylab_ledger.values import Holder, HolderKind
from waylab_site.slug import slug

_SITE_LENGTH = 8


def container_name(site_id: str, holder: Holder) -> str:
    """Give the one name of a holder's container.

    The engine admits a name once, so that a holder never has two containers there.
    """
    text = str(holder).split(":", 1)[1]
    if holder.kind is HolderKind.JOB:
        return f"waylab-{_short(site_id)}-job-{text}"
    user, _, server = text.partition("/")
    # A dot is in no slug: lab "a" of "b-c" and lab "c-a" of "b" stay apart.
    return f"waylab-{_short(site_id)}-lab-{slug(user)}" + (
        f".{server}" if server else ""
    )


def home_volume(site_id: str, user: str) -> str:
    """Give the name of the volume that is a user's home."""
    return f"waylab-{_short(site_id)}-home-{slug(user)}"


def _short(site_id: str) -> str:
    # The site's id is free text; names of the engine are not.
    return hashlib.sha256(site_id.encode()).hexdigest()[:_SITE_LENGTH]
