from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waylab_tracking.conformance import violations
from tests.waylab_tracking.sdk import Sdk

from waylab_tracking.testing import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server whose every answer must be as the SDK's schemas say."""
    with running_server(tmp_path_factory.mktemp("tracking"), record=True) as server:
        yield server
        assert "\n".join(violations(server.recorded())) == ""


@pytest.fixture
def sdk(server: Server, tmp_path: Path) -> Callable[[str], Sdk]:
    """Give users at their keyboards, by name."""

    def sit_down(name: str) -> Sdk:
        home = tmp_path / name
        home.mkdir()
        return Sdk(server, home, server.create_user(name))

    return sit_down
