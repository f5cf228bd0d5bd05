"""Walking over pieces that overlap, in the order of what is in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

# What rows are ordered by, then the row: (key, arrival number, ...).
Row = tuple[Any, ...]
Order = itemgetter(0, 1)


def first_rows(
    spans: Iterable[tuple[int, Any]],
    load: Callable[[Any], list[Row]],
    size: int,
    *,
    down: bool = False,
) -> list[Row]:
    """Give at least the first `size` rows of pieces, all of the last one's key too.

    `spans` are pieces with the key that no row of theirs comes before, in the order
    of these keys (`down`: from the highest); no more pieces are loaded than needed.
    """
    rows: list[Row] = []
    for edge, piece in spans:
        if len(rows) >= size:
            last = rows[size - 1][0]
            if edge < last if down else edge > last:
                break
        loaded = load(piece)
        if loaded:
            rows += loaded
            rows.sort(key=Order, reverse=down)
    if len(rows) <= size:
        return rows
    end = size
    while end < len(rows) and rows[end][0] == rows[size - 1][0]:
        end += 1
    return rows[:end]
