"""A whole Waylab over a ClearML server that knows nothing of Waylab."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.served import IS_GIVEN, any_server, named
from tests.waylab_agent.rig import FINAL
from tests.waylab_hub.test_stack import PASSWORD
from tests.waylab_hub.test_stack import pytestmark as whole

from waylab_hub.testing import Browser, Waylab, open_folder, remove_accounts
from waylab_spawner import processes
from waylab_spawner.testing import free_port, wait_for
from waylab_tracking.testing import Server

pytestmark = [*whole, pytest.mark.clearml]
SITE = """\
[tracking]
api_url = "{0.api_url}"
web_url = "{0.web_url}"
files_url = "{0.files_url}"

[[nodes]]
name = "here"
devices = "cpu"
engine = "none"
cpu_slots = 1

[[queues]]
name = "default"

[[profiles]]
name = "standard"
title = "Standard"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with any_server(tmp_path_factory.mktemp("clearml"), strict=True) as server:
        yield server
        assert server.refused_extensions == []


@pytest.fixture
def waylab(server: Server) -> Iterator[Waylab]:
    with open_folder() as folder:
        root = folder / "state"
        root.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
        (root / "waylab.toml").write_text(SITE.format(named(server)))
        waylab = Waylab(root, free_port(), {"WAYLAB_ADMIN_PASSWORD": PASSWORD})
        try:
            yield waylab
        finally:
            waylab.signal(signal.SIGTERM)
            remove_accounts(root / "homes")


def lay_down_keys(waylab: Waylab, server: Server) -> None:
    """Do what the refusal asks for."""
    access, secret = server.create_user("waylab-service", role="admin")
    path = waylab.root / "secrets" / "clearml.json"
    path.touch(0o600)
    path.write_text(json.dumps({"access_key": access, "secret_key": secret}))


def environment_of_lab(waylab: Waylab) -> dict[str, str]:
    places = json.loads((waylab.root / "places.json").read_text())
    [pid] = processes.marked(f"{places['site_id']}/admin/")
    return psutil.Process(pid).environ()


def test_labs_and_jobs_work_with_the_keys_that_their_users_entered(
    waylab: Waylab, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match=r"service user .*clearml\.json"):
        waylab.start()
    lay_down_keys(waylab, server)
    waylab.start()
    programs = {one["name"] for one in waylab.json("status")["programs"]}
    assert programs == {"proxy", "hub", "board", "agent"}
    browser = Browser(waylab)
    browser.sign_in("admin", PASSWORD)
    assert "/services/gpus/clearml" in browser.client.get("/hub/home").text
    page = browser.client.get("/services/gpus/clearml")
    assert (page.status_code, "My ClearML" in page.text) == (200, True)

    browser.start_lab("admin", "standard")
    environment = environment_of_lab(waylab)
    assert "CLEARML_API_ACCESS_KEY" not in environment
    told = browser.client.get("/user/admin/waylab/api/queues")
    assert (told.status_code, "My ClearML" in told.json()["message"]) == (503, True)
    browser.stop_lab("admin")
    secret = enter(waylab, browser, "admin", server.create_user("The Admin"))
    browser.start_lab("admin", "standard")
    environment = environment_of_lab(waylab)
    assert environment["CLEARML_API_SECRET_KEY"] == secret

    keyring = waylab.root / "board" / "clearml-keys"
    if not IS_GIVEN:  # There is no third account.
        waylab.add_user("eve", PASSWORD)
        enter(waylab, browser, "eve", server.create_user("Eve"))
        assert len(list(keyring.iterdir())) == 2
        waylab.run("users", "remove", "eve")
    assert len(list(keyring.iterdir())) == 1
    browser.close()

    notebook = tmp_path / "nb.ipynb"
    cell = {"cell_type": "code", "source": "1 + 1", "outputs": [], "metadata": {}}
    content = {"cells": [{**cell, "execution_count": None, "id": "a"}]}
    versions = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}
    notebook.write_text(json.dumps({**content, **versions}))
    lab = Waylab(waylab.root, waylab.port)
    lab.environment |= {k: v for k, v in environment.items() if k.startswith("CLEARML")}
    task = lab.json("run", str(notebook))["task_id"]
    # The service user, whose task this is, has entered no keys.
    refused = waylab.json("run", str(notebook))["task_id"]
    assert end_of(server, task, waylab) == "completed"
    assert end_of(server, refused, waylab) == "start-failed"


def enter(waylab: Waylab, browser: Browser, user: str, pair: tuple[str, str]) -> str:
    """Enter a user's keys as an admin does; give the secret one."""
    operator = json.loads((waylab.root / "secrets/board-operator.json").read_text())
    browser.client.put(
        f"/services/gpus/api/v1/clearml-keys?user={user}",
        json={"access_key": pair[0], "secret_key": pair[1]},
        headers={"Authorization": f"token {operator['token']}"},
    ).raise_for_status()
    return pair[1]


def end_of(server: Server, task: str, waylab: Waylab) -> str:
    return wait_for(lambda: ended(server, task), 60, lambda: waylab.log("agent"))


def ended(server: Server, task: str) -> str | None:
    found = server.call("tasks.get_by_id", {"task": task})["task"]
    return str(found["status_reason"]) if found["status"] in FINAL else None
