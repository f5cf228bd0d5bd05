"""The labels that every container of a lab or job carries: recovery reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waylab_ledger.values import Holder, HolderKind

SITE = "org.waylab.site"
LEASE = "org.waylab.lease"
HOLDER = "org.waylab.holder"
DEVICES = "org.waylab.devices"
KIND = "org.waylab.kind"
USER = "org.waylab.user"
IMAGE = "org.waylab.image"


@dataclass(frozen=True)
class Labels:
    """What a container says of itself.

    `lease` is empty for a container that holds none; `devices` names all that the
    lease holds, slots included; `image` is the image's name in the catalogue.
    """

    site: str
    holder: Holder
    user: str
    lease: str = ""
    devices: tuple[str, ...] = ()
    image: str = ""

    def as_dict(self) -> dict[str, str]:
        """Give them as the engine takes them."""
        return {
            SITE: self.site,
            LEASE: self.lease,
            HOLDER: str(self.holder),
            DEVICES: ",".join(self.devices),
            KIND: self.holder.kind.value,
            USER: self.user,
            IMAGE: self.image,
        }


def kind(labels: Mapping[str, str]) -> HolderKind | None:
    """Give what a container holds its lease as; None if it does not say."""
    try:
        return HolderKind(labels.get(KIND, ""))
    except ValueError:
        return None


def devices(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Give the devices that a container's labels name."""
    return tuple(filter(None, labels.get(DEVICES, "").split(",")))


def selection(site: str, more: Mapping[str, str] | None = None) -> Sequence[str]:
    """Give the filter that finds a site's containers, or those with `more` labels."""
    wanted = {SITE: site, **(more or {})}
    return [f"{name}={value}" for name, value in wanted.items()]
