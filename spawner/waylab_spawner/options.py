"""What a user may choose for a lab, from the form and over REST alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from waylab_site.model import Profile
from waylab_spawner.errors import OptionsError


class LabOptions(BaseModel):
    """The choice: a profile by name; empty means the first one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = ""


def from_form(form: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Turn the fields of the spawn form into options, unknown ones left out."""
    chosen = form.get("profile", [""])
    return {"profile": chosen[0] if chosen else ""}


def choose(options: Mapping[str, object], profiles: Sequence[Profile]) -> Profile:
    """Give the profile that the options name.

    Raises:
        OptionsError: an unknown option, an unknown profile, or none to choose from.
    """
    if not profiles:
        msg = (
            "This site has no profile for a lab without a GPU: ask its admin to add "
            "one to waylab.toml."
        )
        raise OptionsError(msg)
    names = ", ".join(profile.name for profile in profiles)
    try:
        wanted = LabOptions.model_validate(dict(options)).profile
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"])
        msg = f"The option {key!r} of a lab is not one: give profile, one of {names}."
        raise OptionsError(msg) from error
    if not wanted:
        return profiles[0]
    for profile in profiles:
        if profile.name == wanted:
            return profile
    msg = f"There is no profile {wanted[:40]!r}: choose one of {names}."
    raise OptionsError(msg)


def offered(profiles: Sequence[Profile]) -> tuple[Profile, ...]:
    """Give the profiles that labs as processes can serve: those without a GPU."""
    return tuple(profile for profile in profiles if profile.gpus == 0)
