"""Sizes as `docker run` writes them: `8g`, `512mb`, `1.5GiB`, bytes without a unit."""

from __future__ import annotations

import re

_SIZE = re.compile(r"^(\d{1,18}(?:\.\d{1,6})?) ?([kmgtp]?)(?:i?b)?$", re.IGNORECASE)
_UNITS = "bkmgtp"


def parse(text: str) -> int:
    """Give the number of bytes.

    Raises:
        ValueError: it is no size.
    """
    found = _SIZE.match(text.strip())
    if found is None:
        msg = f"{text[:40]!r} is no size: write it as 8g or 512m."
        raise ValueError(msg)
    number, unit = found.groups()
    return int(float(number) * 1024 ** _UNITS.index(unit.lower() or "b"))


def show(size_bytes: int) -> str:
    """Write a size for people."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size_bytes >= 1024**power:
            return f"{size_bytes / 1024**power:g} {unit}"
    return f"{size_bytes} bytes"
