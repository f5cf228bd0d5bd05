"""The cards of profiles on the spawn page."""

from __future__ import annotations

from collections.abc import Sequence

import jinja2

from waylab_site.model import Profile

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("waylab_spawner", "pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(profiles: Sequence[Profile], chosen: str = "") -> str:
    """Give the form's HTML; `chosen` (else the first profile) is preselected."""
    names = [profile.name for profile in profiles]
    selected = chosen if chosen in names else next(iter(names), "")
    template = _ENVIRONMENT.get_template("profiles.html")
    return template.render(profiles=profiles, selected=selected)
