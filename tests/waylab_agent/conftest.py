from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_agent.rig import Rig, running_rig

from waylab_tracking.testing import Server, running_server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs an engine of its own, and root")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("tracking")) as server:
        yield server


@pytest.fixture
def rig(tmp_path: Path, server: Server) -> Iterator[Rig]:
    with running_rig(tmp_path, server) as rig:
        yield rig
