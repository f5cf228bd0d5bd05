from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.served import any_server, ensure_queues
from tests.waylab_clearml.notebooks import write_notebook

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_tracking.testing import Server


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    strict = getattr(request, "param", "") == "strict"
    with any_server(tmp_path_factory.mktemp("tracking"), strict=strict) as server:
        ensure_queues(server, "vision", "nlp", "regression")
        yield server


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[[str], Client]]:
    """Give clients of users by name."""
    clients: list[Client] = []

    def connect(name: str) -> Client:
        access, secret = server.create_user(name)
        clients.append(
            Client(
                Credentials(
                    server.url, server.web_url, server.files_url, access, secret
                ),
                timeout_seconds=10.0,
            )
        )
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def ann(connect: Callable[[str], Client]) -> Client:
    return connect("ann")


@pytest.fixture
def bob(connect: Callable[[str], Client]) -> Client:
    return connect("bob")


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write_notebook(
        tmp_path / "a{b}.ipynb",
        "print(alpha)",
        parameters="alpha: float = 0.5  # how much\nmode = 'fast'",
    )
