"""What a page without scripts can show of a plot: tables and pictures. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MAX_ROWS = 200


@dataclass(frozen=True)
class Plot:
    """A plot's names, and its table or its picture if it is one."""

    metric: str
    variant: str
    iteration: int
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    image: str = ""


def read(event: dict[str, Any]) -> Plot:
    """Read a plot event; what cannot be shown keeps its names only."""
    names = (event["metric"], event["variant"], event["iter"])
    try:
        figure = json.loads(event.get("plot_str") or "{}")
        image = _image(figure)
        header, rows = _table(figure)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return Plot(*names)
    return Plot(*names, header=header, rows=rows, image=image)


def _image(figure: dict[str, Any]) -> str:
    images = (figure.get("layout") or {}).get("images") or []
    return str(images[0].get("source") or "") if images else ""


def _table(figure: dict[str, Any]) -> tuple[tuple[str, ...], Any]:
    for trace in figure.get("data") or ():
        if trace.get("type") == "table":
            header = tuple(map(_text, trace["header"]["values"]))
            columns = [list(column) for column in trace["cells"]["values"]]
            rows = zip(*(column[:MAX_ROWS] for column in columns), strict=False)
            return header, tuple(tuple(map(_text, row)) for row in rows)
    return (), ()


def _text(value: Any) -> str:
    # Plotly lets headers be lists of lines.
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
