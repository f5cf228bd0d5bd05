"""The cards of profiles on the spawn page.

What is free right now is not in the HTML: the page's script asks the board for it, so
that the page works, and a lab without a GPU starts, while the board is away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import jinja2

from waylab_site.inventory import GIB
from waylab_site.model import Image, Profile
from waylab_spawner.offers import Offers, PlaceKind, least_gpus, longest_hours

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("waylab_spawner", "pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Card:
    """A profile as a card; what was chosen last is chosen again."""

    profile: Profile
    nodes: tuple[str, ...]
    images: tuple[Image, ...]
    simulated: bool
    checked: bool
    image: str
    node: str
    gpus: int
    hours: str

    @property
    def counts(self) -> range:
        """The numbers of GPUs that may be chosen."""
        return range(least_gpus(self.profile), self.profile.most_gpus + 1)

    @property
    def longest(self) -> float | None:
        """The longest time limit in hours, if there is a bound."""
        return longest_hours(self.profile)

    @property
    def wanted(self) -> str:
        """Which devices it asks for, for the page's script."""
        return json.dumps(
            {
                "nodes": list(self.nodes),
                "model": (self.profile.gpu_model or "").lower(),
                "memory": int(self.profile.gpu_min_memory_gib * GIB),
                "mig": self.profile.mig_profile,
            }
        )

    @property
    def has_more(self) -> bool:
        """Whether there is anything to choose but the profile."""
        return (
            len(self.images) > 1
            or len(self.nodes) > 1
            or len(self.counts) > 1
            or (self.profile.most_gpus > 0 and self.longest is not None)
        )


def render(
    offers: Offers, last: Mapping[str, object], holder: str, *, board: bool = True
) -> str:
    """Give the form's HTML; empty if there is nothing to choose.

    `last` is what the user chose last; what cannot be had any more is forgotten.
    `board` says whether there is one to be asked what is free.
    """
    cards = _cards(offers, last)
    if len(cards) == 1 and not cards[0].has_more and not cards[0].profile.most_gpus:
        return ""  # The lab starts at once.
    template = _ENVIRONMENT.get_template("profiles.html")
    return template.render(cards=cards, holder=holder, board=board)


def _cards(offers: Offers, last: Mapping[str, object]) -> list[Card]:
    profiles = offers.available
    names = [profile.name for profile in profiles]
    chosen = str(last.get("profile", ""))
    checked = chosen if chosen in names else next(iter(names), "")
    return [
        _card(offers, profile, last if profile.name == checked else None)
        for profile in profiles
    ]


def _card(offers: Offers, profile: Profile, last: Mapping[str, object] | None) -> Card:
    checked, last = last is not None, last or {}
    nodes = offers.nodes(profile, least_gpus(profile))
    images = offers.images_of(profile, nodes)
    engines = [
        p for n in nodes if (p := offers.place(n)) and p.kind == PlaceKind.ENGINE
    ]
    gpus, hours = last.get("gpus"), last.get("time_limit_hours")
    usual = profile.time_limit_hours
    return Card(
        profile=profile,
        nodes=nodes,
        images=images if engines else (),
        simulated=bool(engines) and any(place.simulated for place in engines),
        checked=checked,
        image=str(last.get("image", "")),
        node=str(last.get("node", "")),
        gpus=gpus if isinstance(gpus, int) else profile.gpus,
        hours=f"{hours if isinstance(hours, int | float) else usual:g}"
        if (usual is not None or isinstance(hours, int | float))
        else "",
    )
