"""A simulated node's real engine, with an image made of one static program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_engine.tiny import REFERENCE, build

from waylab_engine.engine import Engine
from waylab_rig.devices import of_node
from waylab_rig.requirements import requirements
from waylab_rig.rig import RunningEngine, start_engine


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs an engine of its own, and root")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    missing = requirements()
    if missing is not None:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("node")
    with start_engine("n1", of_node("n1", "RTX 4090", 2, 24), folder) as node:
        with node.engine() as engine:
            build(engine, folder)
            assert engine.has_image(REFERENCE)
        yield node


@pytest.fixture(scope="module")
def engine(node: RunningEngine) -> Iterator[Engine]:
    with node.engine() as engine:
        yield engine
        for site in ("site", "other"):
            for entry in engine.find(site):
                engine.remove(entry["Id"], force=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
