"""Interactive sessions of `clearml-session`, from the queue to their end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.waylab_tracking import session_world
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.sdk import Sdk

SitDown = Callable[[str], Sdk]
PROGRAM = str(Path(sys.executable).with_name("clearml-session"))
WANTED = (
    *("--queue", "default", "--yes", "--session-name", "a session"),
    *("--jupyter-lab", "true", "--vscode-server", "false", "--password", "secret"),
)


def _found(door: Door, status: str, process: subprocess.Popen[bytes]) -> Any:
    """Give the session's task once it has this status."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        known = door.call("tasks.get_all", name="^a session$", status=[status])["tasks"]
        if known:
            return known[0]
        time.sleep(0.1)
    return None


def _session(user: Sdk, *words: str) -> str:
    done = subprocess.run(
        [PROGRAM, *words],
        env=user.environment(),
        cwd=user.home,
        input="y\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_session_is_asked_for_begun_listed_and_shut_down(
    sdk: SitDown, agent: Door, tmp_path: Path
) -> None:
    sue = sdk("sue")
    door = Door(sue.server, sue.keys)
    log = tmp_path / "session.log"
    with log.open("wb") as output:
        client = subprocess.Popen(
            [PROGRAM, *WANTED],
            env=sue.environment(),
            cwd=sue.home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        asked = _found(door, "queued", client)
        assert asked is not None, log.read_text()
        queue = asked["execution"]["queue"]
        entry = agent.call("queues.get_next_task", queue=queue)["entry"]
        agent.call("tasks.started", task=entry["task"])
        listed = _session(sue, "list")
        # What its container then tells of itself.
        port = {"section": "properties", "name": "internal_ssh_port", "value": "-1"}
        door.call(
            "tasks.edit_hyper_params",
            task=asked["id"],
            hyperparams=[port],
            force=True,
        )
        shut = _session(sue, "shutdown", "--id", asked["id"])
        ended = door.call("tasks.get_by_id", task=asked["id"])["task"]
    finally:
        client.kill()
        client.wait()
        door.close()

    assert asked["system_tags"] == ["interactive"]
    assert asked["type"] == "application"
    assert "jupyterlab" in asked["script"]["requirements"]["pip"]
    assert "sshd" in asked["script"]["diff"]
    assert asked["runtime"]["_ssh_password"] == WANTED[-1]
    assert asked["hyperparams"]["interactive_session"]["ssh_server"]["value"] == "True"
    assert entry["task"] == asked["id"]
    assert asked["id"] in listed
    assert f"Session #{asked['id']} shutdown" in shut
    assert (ended["status"], ended["status_message"]) in (
        ("stopped", ""),
        ("in_progress", "stopping"),
    )


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    not session_world.is_possible(),
    reason="needs root, and the packages of an SSH server (hub/install/engine.sh)",
)
def test_a_session_s_jupyterlab_is_reached_over_ssh(tmp_path: Path) -> None:
    found = session_world.run_apart(tmp_path / "apart")

    assert found == {"jupyter": True, "end": "stopped", "violations": []}
