from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.served import any_server
from tests.waylab_ledger.postgres import Server as Postgres
from tests.waylab_tracking.door import Door, Enter
from tests.waylab_tracking.sdk import Sdk

from waylab_tracking.testing import Server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask the same of a server on PostgreSQL where a module wants it."""
    wanted = getattr(metafunc.module, "ON_POSTGRES", False)
    if wanted and "server" in metafunc.fixturenames:
        kinds = ("sqlite", "postgres")
        metafunc.parametrize("server", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Give a server that a module's tests share."""
    kind = getattr(request, "param", "sqlite")
    url = ""
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create_database(f"t{secrets.token_hex(6)}")
    state = tmp_path_factory.mktemp("tracking")
    with any_server(state, strict=kind == "strict", database_url=url) as server:
        yield server


@pytest.fixture(scope="module")
def enter(server: Server) -> Iterator[Enter]:
    doors: dict[tuple[str, str], Door] = {}

    def enter(name: str, role: str = "user") -> Door:
        if (name, role) not in doors:
            doors[name, role] = Door(server, server.create_user(name, role))
        return doors[name, role]

    yield enter
    for door in doors.values():
        door.close()


@pytest.fixture(scope="module")
def ann(enter: Enter) -> Door:
    return enter("ann")


@pytest.fixture(scope="module")
def bob(enter: Enter) -> Door:
    return enter("bob")


@pytest.fixture(scope="module")
def admin(enter: Enter) -> Door:
    return enter("root", "admin")


@pytest.fixture(scope="module")
def agent(enter: Enter) -> Door:
    return enter("agent-one", "agent")


@pytest.fixture
def sdk(server: Server, tmp_path: Path) -> Callable[[str], Sdk]:
    """Give users at their keyboards, by name."""

    def sit_down(name: str) -> Sdk:
        home = tmp_path / name
        home.mkdir()
        return Sdk(server, home, server.create_user(name))

    return sit_down
