"""What a site offers for labs, and where each offer can run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from waylab_ledger.values import DeviceKind, Selector
from waylab_site.inventory import GIB
from waylab_site.model import Image, Profile


class PlaceKind(StrEnum):
    """How a node runs labs."""

    PROCESS = "process"
    """As processes on the hub's own machine."""
    ENGINE = "engine"
    """As containers of the node's engine."""


class NodePlace(BaseModel):
    """A node that runs labs; `host` is where its published ports are reached.

    `gpus` says whether labs that are processes can hold GPUs there. Those of an engine
    can wherever the ledger finds some.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    kind: PlaceKind = PlaceKind.PROCESS
    engine_url: str = ""
    engine_tls: str | None = None
    host: str = "127.0.0.1"
    simulated: bool = False
    gpus: bool = False


@dataclass(frozen=True)
class Offers:
    """Profiles, images and nodes of a site, as labs see them."""

    profiles: tuple[Profile, ...]
    images: tuple[Image, ...] = ()
    places: tuple[NodePlace, ...] = (NodePlace(node="local"),)

    @property
    def available(self) -> tuple[Profile, ...]:
        """The profiles that at least one node can serve."""
        return tuple(p for p in self.profiles if self.nodes(p, least_gpus(p)))

    def place(self, node: str) -> NodePlace | None:
        """Give how a node runs labs, if it does."""
        return next((place for place in self.places if place.node == node), None)

    def nodes(
        self, profile: Profile, gpus: int, image: Image | None = None
    ) -> tuple[str, ...]:
        """Name the nodes that can run a profile with so many GPUs and that image.

        Without an image, a node of an engine needs at least one that it may use.
        """
        return tuple(
            place.node
            for place in self.places
            if (profile.nodes == "all" or place.node in profile.nodes)
            and _can(place, gpus, self.images_of(profile, [place.node]), image)
        )

    def images_of(
        self, profile: Profile, nodes: Iterable[str] | None = None
    ) -> tuple[Image, ...]:
        """Give a profile's images in its order, those of some nodes only if named."""
        by_name = {image.name: image for image in self.images}
        chosen = by_name if profile.images == "all" else profile.images
        found = (by_name[name] for name in chosen if name in by_name)
        if nodes is None:
            nodes = [p.node for p in self.places if p.kind is PlaceKind.ENGINE]
        wanted = set(nodes)
        return tuple(
            image for image in found if image.nodes == "all" or wanted & {*image.nodes}
        )


def _can(
    place: NodePlace, gpus: int, images: tuple[Image, ...], image: Image | None
) -> bool:
    if place.kind is PlaceKind.PROCESS:
        return image is None and (gpus == 0 or place.gpus)
    return image in images if image is not None else bool(images)


def least_gpus(profile: Profile) -> int:
    """Give the smallest number of GPUs that may be asked for.

    A profile without `max_gpus` has a fixed number.
    """
    return profile.gpus if profile.max_gpus is None else min(1, profile.gpus)


def longest_hours(profile: Profile) -> float | None:
    """Give the longest time limit that may be asked for; None if there is no bound."""
    return profile.max_time_limit_hours or profile.time_limit_hours


def selector(profile: Profile, gpus: int, nodes: tuple[str, ...]) -> Selector:
    """Say to the ledger which devices a profile asks for."""
    return Selector(
        kind=DeviceKind.MIG if profile.mig_profile else DeviceKind.GPU,
        count=gpus,
        nodes=nodes,
        model=profile.gpu_model,
        min_memory_bytes=int(profile.gpu_min_memory_gib * GIB),
        mig_profile=profile.mig_profile,
    )
