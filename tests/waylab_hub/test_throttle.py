from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from waylab_hub.throttle import (
    FORGET_SECONDS,
    FREE_FAILURES,
    LONGEST_SECONDS,
    Bucket,
    Throttle,
)


def _fail(throttle: Throttle, buckets: tuple[Bucket, ...], times: int) -> None:
    for _ in range(times):
        throttle.fail(buckets, 0.0)


def test_the_first_failures_cost_nothing_and_then_the_wait_doubles() -> None:
    throttle = Throttle()
    buckets = throttle.buckets("ann", "10.0.0.1", None)

    waits = []
    for _ in range(FREE_FAILURES + 4):
        waits.append(throttle.wait_seconds(buckets, 0.0))
        throttle.fail(buckets, 0.0)

    assert waits == [0] * FREE_FAILURES + [1, 2, 4, 8]


def test_guessing_from_elsewhere_does_not_lock_out_a_known_browser() -> None:
    throttle = Throttle()
    _fail(throttle, throttle.buckets("admin", "203.0.113.9", None), 50)

    elsewhere = throttle.buckets("admin", "198.51.100.7", None)
    known = throttle.buckets("admin", "203.0.113.9", "browser-of-the-admin")

    assert throttle.wait_seconds(elsewhere, 0.0) == LONGEST_SECONDS
    assert throttle.wait_seconds(known, 0.0) == 0


def test_an_address_that_tries_many_names_has_to_wait() -> None:
    throttle = Throttle()
    for number in range(25):
        throttle.fail(throttle.buckets(f"user{number}", "203.0.113.9", None), 0.0)

    assert throttle.wait_seconds(throttle.buckets("ann", "203.0.113.9", None), 0.0) == (
        32
    )
    assert throttle.wait_seconds(throttle.buckets("ann", "10.0.0.1", None), 0.0) == 0


def test_a_success_takes_back_its_own_attempt_and_clears_the_name() -> None:
    throttle = Throttle()
    buckets = throttle.buckets("ann", "10.0.0.1", None)
    _fail(throttle, buckets, FREE_FAILURES)

    throttle.succeed(buckets)

    assert throttle.wait_seconds(buckets, 0.0) == 0
    for _ in range(100):
        throttle.fail(buckets, 0.0)
        throttle.succeed(buckets)
    assert throttle.wait_seconds(buckets, 0.0) == 0


def test_failures_are_forgotten() -> None:
    throttle = Throttle()
    buckets = throttle.buckets("ann", "10.0.0.1", None)
    _fail(throttle, buckets, 30)

    assert throttle.wait_seconds(buckets, FORGET_SECONDS + 1) == 0


@given(st.integers(0, 10_000), st.floats(0, FORGET_SECONDS))
def test_no_wait_is_longer_than_the_longest(failures: int, later: float) -> None:
    throttle = Throttle()
    buckets = throttle.buckets("ann", "10.0.0.1", None)
    _fail(throttle, buckets, min(failures, 50))

    assert 0 <= throttle.wait_seconds(buckets, later) <= LONGEST_SECONDS
