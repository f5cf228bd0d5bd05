from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest

_SECONDS = 20.0


@pytest.fixture
def tidy() -> Iterator[None]:
    """Have sockets that docker's SDK left open collected before the next test."""
    yield
    deadline = time.monotonic() + _SECONDS
    while _asking() and time.monotonic() < deadline:
        time.sleep(0.02)
    gc.collect()


def _asking() -> bool:
    """Tell whether a call to an engine still hangs on a thread of its own."""
    return any(thread.name.startswith("engine ") for thread in threading.enumerate())
