from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waylab_tracking.door import Door, Enter
from tests.waylab_tracking.sdk import Sdk

from waylab_tracking.testing import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server that a module's tests share."""
    with running_server(tmp_path_factory.mktemp("tracking")) as server:
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
