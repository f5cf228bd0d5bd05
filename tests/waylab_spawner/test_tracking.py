from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from waylab_spawner.errors import TrackingError
from waylab_spawner.tracking import KeyPair, Tracking
from waylab_tracking.testing import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("tracking")) as running:
        yield running


def _tracking(server: Server, patience_seconds: float = 15.0) -> Tracking:
    return Tracking(
        server.url, KeyPair(*server.system), patience_seconds=patience_seconds
    )


def _signs_in(server: Server, keys: KeyPair) -> bool:
    pair = (keys.access_key, keys.secret_key)
    url = f"{server.url}/auth.login"
    return httpx.post(url, auth=pair, trust_env=False).is_success


async def test_keys_of_a_lab_are_made_and_taken_back_by_label(server: Server) -> None:
    async with _tracking(server) as tracking:
        await tracking.ensure_user("ann", "user")
        first = await tracking.make_keys("ann", "lab:ann/")
        other = await tracking.make_keys("ann", "lab:ann/second")
        assert _signs_in(server, first)

        await tracking.revoke_labelled("ann", "lab:ann/")

    assert not _signs_in(server, first)
    assert _signs_in(server, other)


async def test_a_removed_users_keys_are_worth_nothing(server: Server) -> None:
    async with _tracking(server) as tracking:
        await tracking.ensure_user("carl", "user")
        keys = await tracking.make_keys("carl", "lab:carl/")

        await tracking.remove_user("carl")

    assert not _signs_in(server, keys)


async def test_a_refusal_carries_the_servers_words(server: Server) -> None:
    async with _tracking(server) as tracking:
        with pytest.raises(TrackingError, match=r"refuses queues\.create"):
            await tracking.call("queues.create", {"name": ""})


async def test_wrong_keys_of_the_hub_are_named(server: Server) -> None:
    async with Tracking(server.url, KeyPair("nobody", "nothing")) as tracking:
        with pytest.raises(TrackingError, match="does not accept the hub's own keys"):
            await tracking.ensure_user("ann", "user")


async def test_a_server_that_comes_back_in_time_is_no_error(server: Server) -> None:
    async with _tracking(server, 30.0) as tracking:
        await tracking.ensure_user("ann", "user")
        server.kill()
        server.restart()

        await tracking.ensure_user("ann", "user")
        assert await tracking.workers() == ()


async def test_a_server_that_stays_away_is_named_with_what_to_do() -> None:
    keys = KeyPair("a", "b")
    async with Tracking("http://127.0.0.1:9", keys, patience_seconds=0.1) as tracking:
        with pytest.raises(TrackingError, match=r"is not there.*waylab status"):
            await tracking.ensure_user("ann", "user")


@pytest.mark.parametrize("text", ["", "[]", '{"access_key": "a"}'])
def test_a_damaged_key_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "system.json"
    path.write_text(text)

    with pytest.raises(TrackingError, match="restore that file"):
        KeyPair.from_file(path)


def test_a_key_pair_does_not_show_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "system.json"
    path.write_text(json.dumps({"access_key": "open", "secret_key": "hidden"}))

    assert "hidden" not in repr(KeyPair.from_file(path))
