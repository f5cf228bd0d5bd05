"""Jobs of a ClearML Server: only ClearML's own endpoints, and users' own keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.served import any_server, named
from tests.waylab_agent.rig import Rig
from tests.waylab_agent.test_notebooks import artifacts, submit_cells

from waylab_board.testing import RunningBoard, running_board
from waylab_clearml.names import current_user
from waylab_clearml.queues import list_queues
from waylab_site.model import Node, Queue, Site
from waylab_spawner.testing import wait_for
from waylab_tracking.testing import Server

pytestmark = pytest.mark.clearml


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with any_server(tmp_path_factory.mktemp("clearml"), strict=True) as server:
        yield server
        assert server.refused_extensions == []


@pytest.fixture
def board(rig: Rig) -> Iterator[RunningBoard]:
    access, secret = rig.server.create_user("waylab-service", role="admin")
    keys = rig.folder / "service.json"
    keys.write_text(json.dumps({"access_key": access, "secret_key": secret}))
    site = Site(
        nodes=(Node(name="n1", address="n1.invalid"),),
        queues=(Queue(name=rig.queue, gpus=0),),
        profiles=(),
        tracking=named(rig.server),
    )
    with running_board(
        rig.folder / "board",
        site,
        tracking_api_url=rig.server.url,
        tracking_key_file=str(keys),
        keyring_folder=str(rig.folder / "keyring"),
        keyring_key_file=str(rig.folder / "keyring.key"),
        mirror_seconds="0.4",
    ) as board:
        yield board
        rig.stop_agents()


def start_agent(rig: Rig, board: RunningBoard) -> Path:
    token = rig.folder / "n1.token"
    token.write_text(board.node_token("n1"))
    agent = rig.start_agent(
        KEY_FILE=str(rig.folder / "service.json"),
        BOARD_URL=board.url,
        BOARD_TOKEN_FILE=str(token),
        BOARD_SECONDS="0.4",
        SITE_FILE=str(rig.folder / "board" / "site.json"),
    )
    return agent.log


def enter(board: RunningBoard, user: str, pair: tuple[str, str]) -> None:
    body = {"access_key": pair[0], "secret_key": pair[1]}
    board.call("PUT", f"/clearml-keys?user={user}", body).raise_for_status()


def slots(rig: Rig) -> tuple[int | None, int | None]:
    """Give the slots of the queue as a lab is told of them, and how many are free."""
    [queue] = [one for one in list_queues(rig.user) if one.name == rig.queue]
    return queue.slots, queue.free_slots


def test_scripts_and_notebooks_run_with_the_keys_of_their_owner(
    rig: Rig, board: RunningBoard
) -> None:
    enter(board, "lovelace", rig.ada)
    log = start_agent(rig, board)

    script = rig.enqueue(
        "import os; print('I am', os.path.basename(os.environ['HOME']), "
        "os.environ['CLEARML_API_ACCESS_KEY'], os.environ.get('CLEARML_AUTH_TOKEN'))"
    )
    assert rig.end_of(script) == ("completed", "completed")
    notebook = submit_cells(rig, "print('first')", "1 + 1")
    assert rig.end_of(notebook) == ("completed", "completed")
    exits = rig.enqueue("raise SystemExit(3)")
    assert rig.end_of(exits) == ("failed", "system-exit")

    assert f"I am lovelace {rig.ada[0]} None" in rig.console(script)
    assert {"bundle", "notebook", "html"} <= artifacts(rig, notebook)
    assert "waylab_verdict" in rig.task(exits)["configuration"]
    assert (rig.home / "homes" / "lovelace").is_dir()
    assert rig.ada[1] not in log.read_text()
    # What is free is told a moment after it is.
    wait_for(lambda: slots(rig) == (1, 1), 30, lambda: str(slots(rig)))


def test_a_task_whose_owner_took_the_keys_back_does_not_start(
    rig: Rig, board: RunningBoard
) -> None:
    enter(board, "ada", rig.ada)
    task = rig.enqueue("print('never')")
    board.until(lambda state: bool(state.line))
    board.call("DELETE", "/clearml-keys?user=ada").raise_for_status()
    start_agent(rig, board)
    assert rig.end_of(task) == ("failed", "start-failed")
    assert "has entered no ClearML keys" in rig.task(task)["status_message"]
    board.until(lambda state: not state.leases)


def test_a_stranger_s_task_never_reaches_a_node(rig: Rig, board: RunningBoard) -> None:
    start_agent(rig, board)
    task = rig.enqueue("print('never')")
    assert rig.end_of(task) == ("failed", "start-failed")
    _, name = current_user(rig.user)
    assert f"{name} has entered no ClearML keys" in rig.task(task)["status_message"]
