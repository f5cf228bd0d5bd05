"""Times as ClearML writes them, and identifiers."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime


def now() -> str:
    """Give the time now, in UTC, as ClearML's answers have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def new_id() -> str:
    """Give an identifier as ClearML's: 32 hexadecimal digits."""
    return uuid.uuid4().hex
