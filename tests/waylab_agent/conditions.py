"""Waiting for what must come true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_STEP_SECONDS = 0.1


def wait_until(
    condition: Callable[[], T | None],
    what: str | Callable[[], str],
    seconds: float = 30.0,
) -> T:
    """Give the condition's first true value; AssertionError when the time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            missed = what if isinstance(what, str) else what()
            msg = f"not within {seconds:g} s: {missed} (last value: {value!r})"
            raise AssertionError(msg)
        time.sleep(_STEP_SECONDS)
    return value
