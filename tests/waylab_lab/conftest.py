from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_lab.rig import Lab, credentials, environment, running_lab

from waylab_clearml.client import Client
from waylab_tracking.testing import Server, running_server

STARTERS = Path(__file__).parents[2] / "templates"


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("tracking") / "state") as server:
        for name in ("vision", "nlp", "regression"):
            server.call("queues.create", {"name": name})
        yield server


@pytest.fixture(scope="module")
def ada(tracking: Server) -> Iterator[Client]:
    with Client(credentials(tracking, "ada")) as client:
        yield client


@pytest.fixture(scope="module")
def grace(tracking: Server) -> Iterator[Client]:
    with Client(credentials(tracking, "grace")) as client:
        yield client


@pytest.fixture(scope="module")
def lab(ada: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab of ada."""
    given = {**environment(ada.credentials), "WAYLAB_TEMPLATES": str(STARTERS)}
    with running_lab(tmp_path_factory.mktemp("lab"), given) as lab:
        yield lab
