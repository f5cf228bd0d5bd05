"""What a user may choose for a lab, from the form and over REST alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictInt,
    StringConstraints,
    ValidationError,
)

from waylab_site.model import Image, Profile
from waylab_spawner.errors import OptionsError
from waylab_spawner.offers import Offers, PlaceKind, least_gpus, longest_hours

_SHOWN = 40
_HOUR_SECONDS = 3600
_CHOSEN = Annotated[str, Strict(), StringConstraints(max_length=64)]


class LabOptions(BaseModel):
    """The choice as it is written; what is left out is the site's default.

    `lease` is written by the board alone, when a lease was set aside for this lab.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: _CHOSEN = ""
    image: _CHOSEN = ""
    gpus: StrictInt | None = None
    time_limit_hours: Annotated[float, Strict(), Field(allow_inf_nan=False)] | None = (
        None
    )
    node: _CHOSEN = ""
    lease: _CHOSEN = ""


@dataclass(frozen=True)
class Choice:
    """A choice that can be had; `nodes` are those that may run it, in order.

    `image` is None for a lab that can only be a process.
    """

    profile: Profile
    nodes: tuple[str, ...]
    image: Image | None = None
    gpus: int = 0
    limit_seconds: int | None = None
    lease: str = ""


def from_form(form: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Turn the fields of the spawn form into options, unknown ones left out.

    Each card has fields of its own, named `<field>:<profile>`.

    Raises:
        OptionsError: a number is not one.
    """

    def field(name: str) -> str:
        values = form.get(name, [""])
        return values[0].strip() if values else ""

    profile = field("profile")
    options: dict[str, object] = {"profile": profile}
    for name in ("image", "node"):
        if chosen := field(f"{name}:{profile}"):
            options[name] = chosen
    if gpus := field(f"gpus:{profile}"):
        options["gpus"] = _number(gpus, "number of GPUs", int)
    if hours := field(f"time_limit_hours:{profile}"):
        options["time_limit_hours"] = _number(hours, "time limit in hours", float)
    return options


def remembered(options: Mapping[str, object]) -> dict[str, object]:
    """Give the part of a user's options that a later start may repeat."""
    return {name: value for name, value in options.items() if name != "lease"}


def choose(options: Mapping[str, object], offers: Offers) -> Choice:
    """Give what the options mean on this site.

    Raises:
        OptionsError: an unknown option, or something that cannot be had; the text
            names the value and what there is.
    """
    profiles = offers.available
    if not profiles:
        msg = (
            "This site has no profile for a lab that can run here: ask its admin to "
            "add one to waylab.toml, or to look at `waylab doctor`."
        )
        raise OptionsError(msg)
    wanted = _parse(options)
    profile = _profile(wanted.profile, profiles, offers)
    gpus = _gpus(wanted.gpus, profile)
    nodes = offers.nodes(profile, gpus)
    if wanted.node:
        nodes = _node(wanted.node, nodes, profile)
    image = _image(wanted.image, profile, nodes, offers)
    if image is not None:
        fitting = offers.nodes(profile, gpus, image)
        nodes = tuple(node for node in nodes if node in fitting)
    if not nodes:
        msg = (
            f"No node runs the profile {profile.name!r} with {counted(gpus)}: choose "
            "fewer GPUs or another profile."
        )
        raise OptionsError(msg)
    limit = _limit(wanted.time_limit_hours, profile, gpus)
    return Choice(profile, nodes, image, gpus, limit, wanted.lease)


def _parse(options: Mapping[str, object]) -> LabOptions:
    try:
        return LabOptions.model_validate(dict(options))
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"])[:_SHOWN]
        known = ", ".join(name for name in LabOptions.model_fields if name != "lease")
        if detail["type"] == "extra_forbidden":
            msg = f"The option {key!r} of a lab is not one: give some of {known}."
        else:
            msg = (
                f"The option {key!r} of a lab is {_show(detail['input'])}: "
                f"{detail['msg'][:1].lower()}{detail['msg'][1:]}."
            )
        raise OptionsError(msg) from error


def _profile(name: str, available: Sequence[Profile], offers: Offers) -> Profile:
    if not name:
        return available[0]
    for profile in available:
        if profile.name == name:
            return profile
    names = ", ".join(profile.name for profile in available)
    if any(profile.name == name for profile in offers.profiles):
        msg = (
            f"The profile {name!r} needs a GPU, or a container engine and an image, on "
            f"one of its nodes, and there is none: choose one of {names}."
        )
        raise OptionsError(msg)
    msg = f"There is no profile {_show(name)}: choose one of {names}."
    raise OptionsError(msg)


def _gpus(wanted: int | None, profile: Profile) -> int:
    if wanted is None:
        return profile.gpus
    least, most = least_gpus(profile), profile.most_gpus
    if least <= wanted <= most:
        return wanted
    bounds = counted(most) if least == most else f"{least} to {counted(most)}"
    msg = (
        f"The profile {profile.name!r} has {bounds}, {_show(wanted)} are asked for: "
        "ask for that, or choose another profile."
    )
    raise OptionsError(msg)


def _node(wanted: str, nodes: tuple[str, ...], profile: Profile) -> tuple[str, ...]:
    if wanted in nodes:
        return (wanted,)
    msg = (
        f"The node {_show(wanted)} does not run the profile {profile.name!r} with "
        f"these options: choose one of {', '.join(nodes) or 'other profiles'}."
    )
    raise OptionsError(msg)


def _image(
    wanted: str, profile: Profile, nodes: tuple[str, ...], offers: Offers
) -> Image | None:
    if _all_processes(nodes, offers):
        if not wanted:
            return None
        msg = (
            f"Labs of the profile {profile.name!r} are processes here and have no "
            f"image, {_show(wanted)} is asked for: leave the image out."
        )
        raise OptionsError(msg)
    images = offers.images_of(profile, nodes)
    for image in images:
        if wanted in ("", image.name):
            return image
    msg = (
        f"The image {_show(wanted)} is not one of the profile {profile.name!r}: "
        f"choose one of {', '.join(image.name for image in images)}."
    )
    raise OptionsError(msg)


def _all_processes(nodes: tuple[str, ...], offers: Offers) -> bool:
    places = [offers.place(node) for node in nodes]
    return all(p is not None and p.kind is PlaceKind.PROCESS for p in places)


def _limit(wanted: float | None, profile: Profile, gpus: int) -> int | None:
    if not gpus:
        if wanted is None:
            return None
        msg = (
            f"A lab without a GPU has no time limit, {wanted:g} hours are asked for: "
            "leave it out."
        )
        raise OptionsError(msg)
    hours = profile.time_limit_hours if wanted is None else wanted
    longest = longest_hours(profile)
    if hours is None:
        hours = longest
    if hours is None:
        return None
    if hours <= 0 or (longest is not None and hours > longest):
        most = "" if longest is None else f" and at most {longest:g}"
        msg = (
            f"The time limit is {hours:g} hours: give more than 0{most} for the "
            f"profile {profile.name!r}."
        )
        raise OptionsError(msg)
    return max(1, min(math.ceil(hours * _HOUR_SECONDS), 10 * 366 * 24 * _HOUR_SECONDS))


def _number(text: str, what: str, kind: type[int] | type[float]) -> int | float:
    try:
        return kind(text)
    except ValueError as error:
        msg = f"The {what} is {_show(text)}: write a number."
        raise OptionsError(msg) from error


def counted(gpus: int) -> str:
    """Write a number of GPUs in words."""
    return "1 GPU" if gpus == 1 else f"{gpus} GPUs"


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
