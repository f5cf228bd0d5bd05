from __future__ import annotations

import gc
import sys
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
    frames = sys._current_frames()
    at = {
        frames[thread.ident].f_code.co_name
        for thread in threading.enumerate()
        if thread.name.startswith("engine ") and thread.ident in frames
    }
    # A pool's thread that has nothing to do waits in `_worker`.
    return bool(at - {"_worker"})
