"""Curves as SVG paths. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 320.0, 140.0
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")


@dataclass(frozen=True)
class Line:
    """One curve: a name, a colour and the points of an SVG polyline."""

    name: str
    colour: str
    points: str
    last: float
    dot: tuple[float, float] | None = None


@dataclass(frozen=True)
class Chart:
    """Curves that share their axes."""

    lines: tuple[Line, ...]
    low: float
    high: float
    first: float
    end: float


def draw(curves: dict[str, Any]) -> Chart:
    """Fit the curves of one metric into the drawing."""
    xs = [x for curve in curves.values() for x in curve["x"]]
    ys = [y for curve in curves.values() for y in curve["y"]]
    first, end, low, high = min(xs), max(xs), min(ys), max(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / ((end - first) or 1) * WIDTH
        up = (y - low) / ((high - low) or 1) * HEIGHT
        return round(across, 1), round(HEIGHT - up, 1)

    lines = tuple(
        Line(
            name,
            COLOURS[number % len(COLOURS)],
            " ".join(f"{x},{y}" for x, y in map(place, curve["x"], curve["y"])),
            curve["y"][-1],
            # One point makes no line.
            dot=place(curve["x"][0], curve["y"][0]) if len(curve["x"]) == 1 else None,
        )
        for number, (name, curve) in enumerate(curves.items())
    )
    return Chart(lines, low, high, first, end)
