from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.docker_rig import (
    CATALOGUE,
    DockerRig,
    running_docker,
    running_node,
)
from tests.waylab_agent.ledger_rig import LedgerRig, running_ledger
from tests.waylab_agent.rig import Rig, running_rig

from waylab_rig.requirements import requirements
from waylab_rig.rig import RunningEngine
from waylab_tracking.testing import Server, running_server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs an engine of its own, and root")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("tracking")) as server:
        yield server


@pytest.fixture(scope="module")
def lasting_rig(
    tmp_path_factory: pytest.TempPathFactory, server: Server
) -> Iterator[Rig]:
    with running_rig(tmp_path_factory.mktemp("rig"), server) as rig:
        yield rig


@pytest.fixture
def rig(lasting_rig: Rig, tmp_path: Path) -> Iterator[Rig]:
    with lasting_rig.of_a_test(tmp_path) as rig:
        yield rig


@pytest.fixture(scope="module")
def lasting_ledger(lasting_rig: Rig) -> Iterator[LedgerRig]:
    with running_ledger(lasting_rig) as ledger:
        yield ledger


@pytest.fixture
def ledger(lasting_ledger: LedgerRig, tmp_path: Path) -> Iterator[LedgerRig]:
    with lasting_ledger.of_a_test(tmp_path) as ledger:
        yield ledger


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    missing = requirements()
    if missing is not None:
        pytest.skip(missing)
    with running_node(tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Containers reach it at the address of their bridge.
    everywhere = "0.0.0.0"  # noqa: S104
    with running_server(tmp_path_factory.mktemp("open"), host=everywhere) as server:
        yield server


@pytest.fixture(scope="module")
def catalogue() -> tuple[str, ...]:
    """Names the images of the site, the default first."""
    return tuple(image.name for image in CATALOGUE)


@pytest.fixture(scope="module")
def lasting_docker(
    tmp_path_factory: pytest.TempPathFactory,
    open_server: Server,
    node: RunningEngine,
    catalogue: tuple[str, ...],
) -> Iterator[DockerRig]:
    images = tuple(image for image in CATALOGUE if image.name in catalogue)
    with (
        running_rig(tmp_path_factory.mktemp("docker"), open_server) as rig,
        running_docker(rig, node, images) as docker,
    ):
        yield docker


@pytest.fixture
def docker(lasting_docker: DockerRig, tmp_path: Path) -> Iterator[DockerRig]:
    with lasting_docker.ledger.of_a_test(tmp_path):
        yield lasting_docker
    wait_until(lambda: not lasting_docker.containers(), "the last container's removal")
