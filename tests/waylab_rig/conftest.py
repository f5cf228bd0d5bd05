"""Two simulated nodes, as a site of two GPU servers has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from waylab_rig.requirements import requirements
from waylab_rig.rig import RunningEngine, of_node, parse, start_engine

NLP = """[
  {"model": "NVIDIA A100-SXM4-80GB", "count": 3, "memory_gib": 80, "nvlink": true},
  {"model": "NVIDIA A100-SXM4-80GB", "count": 1, "memory_gib": 80,
   "mig": ["3g.40gb", "2g.20gb"]}
]"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs an engine of its own, and root")


@pytest.fixture(scope="session")
def can_simulate() -> None:
    missing = requirements()
    if missing is not None:
        pytest.skip(missing)


@pytest.fixture(scope="module")
def vision(
    tmp_path_factory: pytest.TempPathFactory, can_simulate: None
) -> Iterator[RunningEngine]:
    gpus = of_node("vision", "NVIDIA GeForce RTX 4090", 2, 24)
    folder = tmp_path_factory.mktemp("vision") / "node"
    with start_engine("vision", gpus, folder, with_image=True) as node:
        yield node


@pytest.fixture(scope="module")
def nlp(
    tmp_path_factory: pytest.TempPathFactory, vision: RunningEngine
) -> Iterator[RunningEngine]:
    folder = tmp_path_factory.mktemp("nlp") / "node"
    with start_engine("nlp", parse(NLP, "nlp"), folder, with_image=True) as node:
        yield node
