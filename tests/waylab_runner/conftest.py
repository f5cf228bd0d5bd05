from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.served import any_server
from tests.waylab_clearml.notebooks import write_notebook
from tests.waylab_runner.rig import Job, Rig

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_tracking.testing import Server


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    strict = getattr(request, "param", "") == "strict"
    with any_server(tmp_path_factory.mktemp("tracking"), strict=strict) as server:
        yield server


@pytest.fixture
def rig(server: Server, tmp_path: Path) -> Iterator[Rig]:
    def client(name: str, role: str) -> Client:
        access, secret = server.create_user(name, role)
        return Client(
            Credentials(server.url, server.web_url, server.files_url, access, secret)
        )

    with client("ann", "user") as user, client("agent-n1", "agent") as agent:
        rig = Rig(server, user, agent, tmp_path)
        yield rig
        rig.end()


@pytest.fixture
def submit(rig: Rig, tmp_path: Path) -> Callable[..., Job]:
    """Submit a notebook of the given cells; it is claimed, not started."""

    def submit(
        *sources: str,
        declared: str | None = None,
        kernel: dict[str, str] | None = None,
        name: str = "a{b}.ipynb",
        **more: Any,
    ) -> Job:
        path = write_notebook(
            tmp_path / name, *sources, parameters=declared, kernel=kernel
        )
        return rig.submit(path, **more)

    return submit
