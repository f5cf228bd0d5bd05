"""Whoever signs in is known to tracking, and old keys end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from waylab_hub.tracking_users import SignInHook, welcome
from waylab_spawner.tracking import KeyPair, Tracking
from waylab_tracking.testing import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("tracking")) as server:
        yield server


def labels(server: Server, user: str) -> list[str]:
    listed = server.call("auth.get_credentials", {}, user=user)["credentials"]
    return sorted(one["label"] for one in listed)


def let_keys_age(server: Server, days: int) -> None:
    with closing(sqlite3.connect(server.state / "tracking.sqlite")) as database:
        database.execute(
            "UPDATE credentials SET created = strftime('%Y-%m-%dT%H:%M:%S+00:00', "
            "'now', ?)",
            (f"-{days} days",),
        )
        database.commit()


async def sign_in(server: Server, name: str, **known: Any) -> None:
    async with Tracking(server.url, KeyPair(*server.system)) as tracking:
        told = {"is_admin": False, "groups": (), "running": (), "keys_days": 30}
        await welcome(tracking, name, **{**told, **known})


def test_a_sign_in_makes_a_user_known_with_role_and_groups(server: Server) -> None:
    asyncio.run(sign_in(server, "ann", groups=["vision", "nlp"], is_admin=True))

    me = server.call("users.get_current_user", {}, user="ann")["user"]
    made = {"name": "ann's own", "description": ""}
    project = server.call("projects.create", made, user="ann")["id"]
    body = {"project": project, "visibility": "group", "groups": ["nlp"]}
    told = server.call("waylab.share_project", body, user="ann")["project"]
    assert (me["role"], told["groups"]) == ("admin", ["nlp"])


def test_old_keys_of_labs_that_do_not_run_end(server: Server) -> None:
    asyncio.run(sign_in(server, "bob"))
    for label in ("lab:bob/", "lab:bob/big", "my laptop"):
        server.call("auth.create_credentials", {"label": label}, user="bob")

    asyncio.run(sign_in(server, "bob"))
    young = labels(server, "bob")
    let_keys_age(server, 31)
    asyncio.run(sign_in(server, "bob", running=["big"]))

    assert young == ["lab:bob/", "lab:bob/big", "my laptop"]
    assert labels(server, "bob") == ["lab:bob/big", "my laptop"]


def test_nobody_is_kept_out_while_tracking_is_away(tmp_path: Path) -> None:
    keys = tmp_path / "system.json"
    keys.write_text('{"access_key": "a", "secret_key": "b"}')
    hook = SignInHook("http://127.0.0.1:9", keys, 30)
    handler = SimpleNamespace(find_user=lambda _: None)  # A first sign-in.

    answer = asyncio.run(hook(None, handler, {"name": "ann", "admin": False}))

    assert answer == {"name": "ann", "admin": False}
