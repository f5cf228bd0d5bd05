"""Users' own ClearML keys, against a server that has only ClearML's own endpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.served import named

from waylab_board.testing import FakeNode, RunningBoard, running_board, slots
from waylab_ledger.client import BoardForbids, NotFound, OwnKeys
from waylab_ledger.values import Proof, ProofKind
from waylab_site.model import Jobs, Site
from waylab_tracking.testing import Server, running_server

Pair = tuple[str, str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("clearml"), strict="true") as server:
        server.call("queues.create", {"name": "small"})
        yield server
        assert server.refused_extensions == []


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def board(
    tmp_path: Path, site: Site, server: Server, jobs: Jobs
) -> Iterator[RunningBoard]:
    keys = tmp_path / "service.json"
    access, secret = server.create_user("waylab-service", role="admin")
    keys.write_text(json.dumps({"access_key": access, "secret_key": secret}))
    external = site.model_copy(update={"tracking": named(server), "jobs": jobs})
    with running_board(
        tmp_path / "board",
        external,
        tracking_api_url=server.url,
        tracking_key_file=str(keys),
        keyring_folder=str(tmp_path / "keyring"),
        keyring_key_file=str(tmp_path / "keyring.key"),
        mirror_seconds="0.4",
    ) as board:
        yield board


@pytest.fixture
def cpu(board: RunningBoard) -> FakeNode:
    return FakeNode(board, "cpu", slots("cpu", 2))


def enter(board: RunningBoard, user: str, pair: Pair) -> httpx.Response:
    body = {"access_key": f" {pair[0]}\n", "secret_key": pair[1]}
    return board.call("PUT", f"/clearml-keys?user={user}", body)


def enqueue(server: Server, user: str, name: str) -> str:
    [queue] = server.call("queues.get_all", {"name": "^small$"})["queues"]
    body = {"name": name, "type": "training"}
    task = str(server.call("tasks.create", body, user=user)["id"])
    server.call("tasks.enqueue", {"task": task, "queue": queue["id"]}, user=user)
    return task


def task_of(server: Server, task: str) -> dict[str, Any]:
    return dict(server.call("tasks.get_by_id", {"task": task})["task"])


def failed(board: RunningBoard, server: Server, task: str) -> str:
    board.until(lambda _: task_of(server, task)["status"] == "failed")
    return str(task_of(server, task)["status_message"])


def test_keys_are_checked_and_kept_encrypted(
    board: RunningBoard, server: Server, tmp_path: Path
) -> None:
    pair = server.create_user("Ada Lovelace")
    kept = enter(board, "ada", pair).raise_for_status().json()["keys"]
    assert (kept["clearml_user"], kept["access_key"]) == ("Ada Lovelace", pair[0])

    board.restart()

    told = board.call("GET", "/clearml-keys?user=ada").json()
    assert told["keys"] == kept
    secret = pair[1].encode()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if secret in path.read_bytes()]
    closed = [*(tmp_path / "keyring").iterdir(), tmp_path / "keyring.key"]
    assert {path.stat().st_mode & 0o777 for path in closed} == {0o600}
    for_labs = board.call(
        "GET", "/clearml-keys/ada/secret", token=board.hub_token
    ).json()
    assert for_labs["secret_key"] == pair[1]


def test_keys_that_the_server_does_not_know_are_refused(board: RunningBoard) -> None:
    answer = enter(board, "ada", ("nobody", "nothing"))
    assert answer.status_code == 400
    assert "does not accept these keys" in answer.json()["message"]
    assert board.call("GET", "/clearml-keys?user=ada").json()["keys"] is None


def test_one_clearml_user_is_one_user_of_the_hub(
    board: RunningBoard, server: Server
) -> None:
    pair = server.create_user("Grace Hopper")
    enter(board, "grace", pair).raise_for_status()
    enter(board, "grace", pair).raise_for_status()
    answer = enter(board, "mallory", pair)
    assert (answer.status_code, "grace has entered" in answer.text) == (400, True)
    assert board.call("DELETE", "/clearml-keys?user=grace").json()["forgotten"] is True
    enter(board, "mallory", pair).raise_for_status()


def test_a_task_is_its_owner_s_and_their_keys_go_to_its_node_only(
    board: RunningBoard, server: Server, cpu: FakeNode
) -> None:
    pair = server.create_user("Alan Turing")
    enter(board, "alan", pair).raise_for_status()
    task = enqueue(server, "Alan Turing", "compute")
    board.until(lambda state: bool(state.leases))
    [lease] = cpu.report().grants
    assert (lease.request.user, lease.request.holder.text) == ("alan", f"job:{task}")

    with pytest.raises(BoardForbids, match="not held"):
        cpu.board.owner_keys(lease.id)
    cpu.board.take(lease.id, cpu.epoch)

    assert cpu.board.owner_keys(lease.id) == OwnKeys("alan", *pair)
    with pytest.raises(BoardForbids, match="not held by a job of vision"):
        board.node("vision").owner_keys(lease.id)
    for path in (f"/leases/{lease.id}/credentials", "/clearml-keys/alan/secret"):
        assert board.call("GET", path).status_code == 403
    board.call("DELETE", "/clearml-keys?user=alan")
    with pytest.raises(NotFound, match="My ClearML"):
        cpu.board.owner_keys(lease.id)
    cpu.board.release(lease.id, Proof(ProofKind.NEVER_STARTED, by=cpu.epoch))
    with pytest.raises(BoardForbids, match="is over"):
        cpu.board.owner_keys(lease.id)


def test_a_task_of_nobody_s_is_refused_with_the_remedy(
    board: RunningBoard, server: Server, cpu: FakeNode
) -> None:
    server.create_user("Stranger")
    task = enqueue(server, "Stranger", "refused")
    assert failed(board, server, task) == (
        "Stranger has entered no ClearML keys: enter them on the hub's page \"My "
        'ClearML", and enqueue the task again.'
    )
    assert task_of(server, task)["status_reason"] == "start-failed"


@pytest.mark.parametrize("jobs", [Jobs(unknown_owner="service")])
def test_an_account_runs_the_tasks_of_unknown_owners_if_the_site_names_one(
    board: RunningBoard, server: Server, cpu: FakeNode
) -> None:
    server.create_user("Stranger")
    sentence = failed(board, server, enqueue(server, "Stranger", "too early"))
    assert "nor has service, who runs such tasks here" in sentence
    pair = server.create_user("Service Account")
    enter(board, "service", pair).raise_for_status()
    task = enqueue(server, "Stranger", "adopted")
    board.until(lambda state: bool(state.leases))
    [lease] = cpu.report().grants
    assert lease.request.holder.text == f"job:{task}"
    cpu.board.take(lease.id, cpu.epoch)
    assert cpu.board.owner_keys(lease.id) == OwnKeys("service", *pair)


def test_a_site_with_its_own_clearml_takes_no_keys(tmp_path: Path, site: Site) -> None:
    with running_board(tmp_path / "own", site) as board:
        answer = enter(board, "ada", ("a", "b"))
        assert (answer.status_code, "has its own ClearML" in answer.text) == (404, True)
