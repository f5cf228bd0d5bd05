"""Pulling an image, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from waylab_engine.errors import PullFailed

_DOWNLOAD_SHARE = 0.7
"""Of a layer's work, downloading; the rest is unpacking."""
_DONE = {"Pull complete", "Already exists"}


@dataclass(frozen=True)
class Progress:
    """How far a pull is; `percent` (0 to 100) never falls."""

    percent: float
    message: str


def pull(
    client: Any, reference: str, tell: Callable[[Progress], None] | None = None
) -> None:
    """Pull with docker's client.

    Raises:
        PullFailed: the registry, or the way to it, does not give the image.
    """
    name, tag = _split(reference)
    events = client.pull(name, tag=tag, stream=True, decode=True)
    for progress in follow(events, reference):
        if tell is not None:
            tell(progress)


def follow(events: Iterable[Mapping[str, Any]], reference: str) -> Iterable[Progress]:
    """Turn the engine's events into steps of progress, the last at 100 percent.

    Raises:
        PullFailed: an event tells an error.
    """
    layers: dict[str, float] = {}
    sizes: dict[str, float] = {}
    reached = 0.0
    for event in events:
        if "error" in event:
            raise failed(reference, str(event["error"]))
        layer, status = str(event.get("id", "")), str(event.get("status", ""))
        if not layer or status.startswith("Pulling from"):
            continue
        detail = event.get("progressDetail") or {}
        if detail.get("total"):
            sizes.setdefault(layer, float(detail["total"]))
        layers[layer] = max(layers.get(layer, 0.0), _part(status, detail))
        percent = _percent(layers, sizes)
        if percent > reached:
            reached = percent
            yield Progress(round(reached, 1), f"{status} {layer}")
    yield Progress(100.0, f"{reference} is here")


def failed(reference: str, why: str) -> PullFailed:
    """Make the error of a pull that does not end well."""
    return PullFailed(
        f"The image {reference} cannot be pulled: {why}. Check its reference in "
        "waylab.toml and the node's way to the registry."
    )


def _part(status: str, detail: Mapping[str, Any]) -> float:
    done = float(detail.get("current") or 0) / float(detail.get("total") or 1)
    match status:
        case "Downloading":
            return _DOWNLOAD_SHARE * min(done, 1.0)
        case "Verifying Checksum" | "Download complete":
            return _DOWNLOAD_SHARE
        case "Extracting":
            return _DOWNLOAD_SHARE + (1 - _DOWNLOAD_SHARE) * min(done, 1.0)
    return 1.0 if status in _DONE else 0.0


def _percent(layers: Mapping[str, float], sizes: Mapping[str, float]) -> float:
    # A layer whose size is not known yet counts as much as the mean of the others.
    mean = sum(sizes.values()) / len(sizes) if sizes else 1.0
    weights = {layer: sizes.get(layer, mean) for layer in layers}
    whole = sum(weights.values()) or 1.0
    done = sum(layers[layer] * weight for layer, weight in weights.items())
    return min(99.0, 100.0 * done / whole)


def _split(reference: str) -> tuple[str, str | None]:
    if "@" in reference:
        return reference, None
    name, colon, tag = reference.rpartition(":")
    if colon and "/" not in tag:
        return name, tag
    return reference, "latest"
