"""How long someone who fails to sign in has to wait.

A failure counts against the user's name and against the address. A browser that has
signed in as that user before counts for itself alone (a *device*), so that nobody can
lock a user out of the browser they use by guessing from elsewhere.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

FREE_FAILURES = 5
LONGEST_SECONDS = 300.0
FORGET_SECONDS = 1800.0
_MOST_BUCKETS = 10_000
# Many users share an address (a tunnel, an office): it gets more tries than a name.
_FREE_OF_ADDRESS = 20


@dataclass(frozen=True)
class Bucket:
    """What failures are counted against."""

    kind: str
    value: str

    @property
    def free(self) -> int:
        """How many failures cost nothing."""
        return _FREE_OF_ADDRESS if self.kind == "address" else FREE_FAILURES


@dataclass(frozen=True)
class _Count:
    failures: int
    last: float


class Throttle:
    """Counts failures; time is handed in, in seconds of a monotonic clock."""

    def __init__(self) -> None:
        """Nobody has failed yet."""
        self._counts: OrderedDict[Bucket, _Count] = OrderedDict()

    @staticmethod
    def buckets(user: str, address: str, device: str | None) -> tuple[Bucket, ...]:
        """Say what an attempt counts against."""
        if device:
            return (Bucket("device", f"{user}/{device}"),)
        return (Bucket("user", user), Bucket("address", address))

    def wait_seconds(self, buckets: Iterable[Bucket], now: float) -> int:
        """Say how long the next attempt has to wait, 0 if it may come now."""
        return max((self._wait(bucket, now) for bucket in buckets), default=0)

    def fail(self, buckets: Iterable[Bucket], now: float) -> None:
        """Count a failure."""
        for bucket in buckets:
            count = self._count(bucket, now)
            self._counts[bucket] = _Count(count.failures + 1, now)
            self._counts.move_to_end(bucket)
        while len(self._counts) > _MOST_BUCKETS:
            self._counts.popitem(last=False)

    def succeed(self, buckets: Iterable[Bucket]) -> None:
        """Take back the attempt counted last; a name or device starts afresh.

        An address keeps its other failures: its owner may know one password of many.
        """
        for bucket in buckets:
            count = self._counts.pop(bucket, None)
            if count and bucket.kind == "address" and count.failures > 1:
                self._counts[bucket] = _Count(count.failures - 1, count.last)

    def _count(self, bucket: Bucket, now: float) -> _Count:
        count = self._counts.get(bucket)
        if count is None or now - count.last > FORGET_SECONDS:
            return _Count(0, now)
        return count

    def _wait(self, bucket: Bucket, now: float) -> int:
        count = self._count(bucket, now)
        over = count.failures - bucket.free
        if over < 0:
            return 0
        pause = min(LONGEST_SECONDS, 2.0 ** min(over, 32))
        return max(0, math.ceil(count.last + pause - now))
