"""Two simulated nodes as `waylab up` starts them: real engines, agents and hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import PASSWORD, ROOT, RunningSite, StartSite
from tests.integration.test_site import notebook_of, run

from waylab_hub.testing import Browser
from waylab_rig.requirements import requirements
from waylab_spawner.testing import wait_for

_missing = requirements()
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.docker,
    pytest.mark.timeout(600),
    pytest.mark.skipif(_missing is not None, reason=str(_missing)),
]


@pytest.fixture(scope="module")
def nodes(start_site: StartSite, public_folder: Path) -> Iterator[RunningSite]:
    home = public_folder / "nodes"
    template = ROOT / "templates/sites/two-nodes-simulated.toml"
    file = public_folder / "two-nodes-simulated.toml"
    homes = public_folder / "simulated"
    file.write_text(template.read_text().replace("/srv/waylab-simulated", str(homes)))
    running = start_site(
        [ROOT / ".venv/bin/waylab", "up", "--site", file],
        home,
        {
            **os.environ,
            "WAYLAB_HOME": str(home),
            "WAYLAB_ADMIN_PASSWORD": PASSWORD,
        },
    )
    running.wait_for_line("Waylab is ready: ", seconds=400)
    yield running
    assert running.stop() == 0
    assert running.left_over() == []


@pytest.fixture
def admin(nodes: RunningSite) -> Iterator[Browser]:
    browser = Browser(nodes)
    browser.sign_in("admin", PASSWORD)
    yield browser
    browser.close()


def _seen_at(site: RunningSite) -> list[str]:
    state: dict[str, Any] = json.loads(site.cli("gpus", "--json").stdout)
    return [str(node["seen_at"]) for node in state["nodes"]]


def _let_agents_report_twice(site: RunningSite) -> None:
    for _ in range(2):
        before = _seen_at(site)

        def all_have(before: list[str] = before) -> bool:
            return all(a != b for a, b in zip(before, _seen_at(site), strict=True))

        wait_for(all_have, 60, lambda: site.cli("gpus").stdout)


@pytest.mark.parametrize("profile", ["notebook", "vision-one"])
def test_a_lab_runs_until_its_user_ends_it(
    nodes: RunningSite, admin: Browser, profile: str
) -> None:
    admin.start_lab("admin", profile)
    _let_agents_report_twice(nodes)

    assert admin.client.get("/user/admin/api/status").status_code == 200
    assert "agree" in nodes.cli("audit").stdout
    admin.stop_lab("admin")
    assert "agree" in nodes.cli("audit").stdout


def test_a_notebook_on_a_queue_sees_one_gpu(nodes: RunningSite, tmp_path: Path) -> None:
    cell = "import subprocess\nprint(subprocess.check_output(['nvidia-smi', '-L']))"
    notebook = notebook_of(tmp_path, "gpu.ipynb", cell)

    record = run(nodes, notebook, "--queue", "vision")

    assert record["state"] == "completed", record
    log = nodes.cli("runs", "log", record["id"]).stdout
    assert log.count("GPU-") == 1, log
    assert "agree" in nodes.cli("audit").stdout
