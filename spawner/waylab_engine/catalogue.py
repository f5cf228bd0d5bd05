"""The site's images: labs and jobs use no other."""

from __future__ import annotations

from collections.abc import Sequence

from waylab_engine.errors import ImageRefused
from waylab_site.model import Image

_SHOWN = 80


def on_node(images: Sequence[Image], node: str) -> tuple[Image, ...]:
    """Give the images that a node offers."""
    return tuple(i for i in images if i.nodes == "all" or node in i.nodes)


def choose(
    wanted: str | None,
    images: Sequence[Image],
    node: str,
    *,
    default: str | None = None,
) -> Image:
    """Give the catalogue's image of that name or reference.

    Without a wish it is the one named `default`, or else the node's first.

    Raises:
        ImageRefused: the image is not in the catalogue or not for this node.
    """
    offered = on_node(images, node)
    if not offered:
        msg = (
            f"The site has no image for {node}: ask its admin to add one to "
            "waylab.toml as [[images]]."
        )
        raise ImageRefused(msg)
    text = (wanted or "").strip() or default
    if text is None:
        return offered[0]
    for image in offered:
        if text == image.name or _same(text, image.reference):
            return image
    choice = ", ".join(f"{image.name} ({image.reference})" for image in offered)
    msg = f"{text[:_SHOWN]!r} is no image of {node}: choose one of {choice}."
    raise ImageRefused(msg)


def _same(one: str, other: str) -> bool:
    return _full(one) == _full(other)


def _full(reference: str) -> str:
    """Write a reference out as the engine understands it."""
    name, at, digest = reference.partition("@")
    name = name.removeprefix("docker.io/").removeprefix("library/")
    if ":" not in name.rpartition("/")[2] and not at:
        name += ":latest"
    return f"{name}{at}{digest}"
