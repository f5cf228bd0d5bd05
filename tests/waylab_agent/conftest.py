from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_agent.rig import Rig, running_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with running_rig(tmp_path) as rig:
        yield rig
