"""Labs as processes, started by a real hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from waylab_hub.testing import open_folder, remove_accounts
from waylab_spawner import processes
from waylab_spawner.testing import (
    Hub,
    NotHere,
    asks_for_news,
    proxy_program,
    running_hub,
    wait_for,
)
from waylab_tracking.testing import running_server

try:
    proxy_program()
    _missing = ""
except NotHere as error:
    _missing = str(error)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(_missing), reason=_missing),
]
SITE = "proctest"
PROFILES = [
    {"name": "small", "title": "Small"},
    {"name": "gpu", "title": "One GPU", "gpus": 1},
]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder
        remove_accounts(folder / "homes")


@pytest.fixture(scope="module")
def hub(root: Path) -> Iterator[Hub]:
    key_file = root / "system.json"
    with running_server(root / "tracking") as tracking:
        access, secret = tracking.system
        key_file.write_text(f'{{"access_key": "{access}", "secret_key": "{secret}"}}')
        (root / "logs").mkdir()
        (root / "homes").mkdir()
        traits = {
            "site_id": SITE,
            "profiles": PROFILES,
            "homes": str(root / "homes"),
            "isolated": os.geteuid() == 0,  # A lab refuses to run as root.
            "lab_logs": str(root / "logs"),
            "notebook_templates": str(root),
            "tracking_api_url": tracking.url,
            "tracking_web_url": tracking.url,
            "tracking_files_url": tracking.files_url,
            "tracking_key_file": str(key_file),
            "start_timeout": 60,
        }
        with running_hub(traits) as running:
            yield running
            processes.end(lambda: processes.marked_of_site(SITE), grace_seconds=2.0)


@pytest.fixture(autouse=True)
def users(hub: Hub) -> None:
    for user in ("ann", "bob"):
        if not hub.ask("GET", f"/users/{user}").is_success:
            hub.add_user(user)


def test_a_lab_starts_survives_the_hub_and_ends(hub: Hub) -> None:
    hub.spawn("ann", {"profile": "small"}).raise_for_status()
    hub.wait_ready("ann")
    (pid,) = processes.marked(f"{SITE}/ann/")

    hub.kill()
    hub.start()
    hub.wait_ready("ann")

    assert processes.marked(f"{SITE}/ann/") == (pid,)
    assert not asks_for_news(hub.browser("ann"), "ann")
    hub.stop_lab("ann")
    hub.wait_gone("ann")
    assert processes.marked(f"{SITE}/ann/") == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"profile": "gpu"}, "needs a GPU, or a container engine"),
        ({"image": "evil"}, "are processes here and have no image"),
        ({"privileged": True}, "The option 'privileged'"),
    ],
)
def test_what_cannot_be_is_refused_over_rest_in_a_sentence(
    hub: Hub, options: dict[str, object], said: str
) -> None:
    answer = hub.spawn("bob", options)

    assert answer.status_code == 400
    assert said in answer.json()["message"]
    wait_for(lambda: hub.server("bob") is None, 10, lambda: hub.log[-2000:])
    assert "Traceback" not in hub.log


def test_a_lab_that_ends_at_once_shows_its_log(hub: Hub, root: Path) -> None:
    # What a user can break most easily: what the lab's own Python reads first.
    hub.spawn("bob").raise_for_status()
    hub.wait_ready("bob")
    hub.stop_lab("bob")
    hub.wait_gone("bob")
    broken = root / "homes" / "bob" / ".jupyter" / "jupyter_server_config.py"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text(
        "print('token=abc it is broken', flush=True); raise SystemExit(3)"
    )
    owner = (root / "homes" / "bob").stat()
    for path in (broken, broken.parent):
        os.chown(path, owner.st_uid, owner.st_gid)

    pages = hub.browser("bob")
    hub.spawn("bob")
    wait_for(lambda: hub.server("bob") is None, 60, lambda: hub.log[-2000:])
    page = pages.get("/hub/spawn-pending/bob").text

    assert "ended while it started" in page
    assert "it is broken" in page
    assert "token=abc" not in page
