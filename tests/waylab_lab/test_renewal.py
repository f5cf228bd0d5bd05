"""A lab that runs for long has fresh keys, and what runs in it keeps its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.waylab_lab.rig import credentials as keys_of

from waylab_clearml import runs
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_clearml.errors import BadRequest
from waylab_clearml.keys import renew
from waylab_clearml.runs import RunQuery
from waylab_lab.connection import Connection
from waylab_lab.renewal import Renewal
from waylab_lab.settings import LabSettings
from waylab_tracking.testing import Server

DAYS = 30


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, days: float) -> None:
        self.now += timedelta(days=days)


@pytest.fixture
def first(tracking: Server) -> Iterator[Credentials]:
    """Give the keys with which a lab was started."""
    keys_of(tracking, "lena")
    body = {"label": "lab:lena/"}
    made = tracking.call("auth.create_credentials", body, user="lena")["credentials"]
    other = {"label": "lab:lena/second"}
    tracking.call("auth.create_credentials", other, user="lena")
    yield replace(
        keys_of(tracking, "lena"),
        access_key=made["access_key"],
        secret_key=made["secret_key"],
    )
    for label in ("lab:lena/", "lab:lena/second"):
        tracking.call(
            "waylab.end_keys", {"user": "lena", "label": label, "older_than_seconds": 0}
        )


def good(one: Credentials) -> bool:
    """Say whether a kernel with these keys could still sign in."""
    pair = (one.access_key or "", one.secret_key or "")
    answer = httpx.post(f"{one.api_url}/auth.login", auth=pair, trust_env=False)
    return answer.is_success


async def test_keys_are_renewed_with_age_and_the_old_ones_live_on_for_a_while(
    tracking: Server, first: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    clock, environ = Clock(), sdk_environment(first)
    connection = Connection(LabSettings.from_environ(environ))
    renewal = Renewal(connection, environ, DAYS, clock)
    await connection.glance(runs.list_runs, RunQuery())
    began_before = Client(first, timeout_seconds=10)
    began_before.call("users.get_current_user", {})

    clock.turn(DAYS - 0.1)
    too_early = await renewal.step()
    clock.turn(0.2)
    done = await renewal.step()
    second = Credentials.from_environ(environ)
    overlap = [good(first), good(second)]
    began_before.call("users.get_current_user", {})
    await connection.glance(runs.list_runs, RunQuery())
    at_once_again = await renewal.step()
    clock.turn(DAYS + 0.1)
    await renewal.step()
    third = Credentials.from_environ(environ)
    after = [good(one) for one in (first, second, third)]
    began_before.close()
    connection.close()

    assert (too_early, done, at_once_again) == (False, True, False)
    assert len({one.access_key for one in (first, second, third)}) == 3
    assert connection.settings.credentials == third
    assert overlap == [True, True]
    assert after == [False, True, True]
    told = caplog.text + tracking.log.read_text("utf-8")
    for one in (first, second, third):
        assert one.secret_key is not None
        assert one.secret_key not in told
        assert one.secret_key not in repr(one)
    left = tracking.call("auth.get_credentials", {}, user="lena")["credentials"]
    assert sorted(one["label"] for one in left if one["label"] != "test") == [
        *["lab:lena/"] * 2,
        "lab:lena/second",
    ]


async def test_a_server_that_is_away_is_asked_again_later(first: Credentials) -> None:
    away = replace(first, api_url="http://127.0.0.1:9")
    clock, environ = Clock(), sdk_environment(away)
    connection = Connection(LabSettings(away, starters=Path()))
    renewal = Renewal(connection, environ, DAYS, clock)
    clock.turn(DAYS + 1)

    done = await renewal.step()
    connection.use(first)
    later = await renewal.step()
    connection.close()

    assert (done, later) == (False, True)


def test_only_a_labs_own_keys_are_renewed(tracking: Server) -> None:
    with Client(keys_of(tracking, "lena")) as client, pytest.raises(BadRequest):
        renew(client)
