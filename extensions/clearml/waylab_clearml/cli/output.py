"""How results are printed: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400


def print_json(value: object) -> None:
    """Print a value of dataclasses, lists and plain values as JSON."""
    sys.stdout.write(f"{json.dumps(_plain(value), indent=2, ensure_ascii=False)}\n")


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below titles, columns as wide as needed."""
    widths = [
        max(len(row[column]) for row in [titles, *rows])
        for column in range(len(titles))
    ]
    for row in [titles, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{'  '.join(cells).rstrip()}\n")


def duration(seconds: float | None) -> str:
    """Give a duration in two units at most, such as `3 min 20 s`."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def moment(time: datetime | None) -> str:
    """Give a time in this machine's zone, to the minute."""
    return "-" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
