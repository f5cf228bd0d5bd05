"""The keys of users' PCs, against the embedded server that makes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from waylab_board.callers import OPERATOR
from waylab_board.testing import RunningBoard, running_board
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import Unauthorized
from waylab_clearml.names import current_user
from waylab_site.model import Site, Tracking
from waylab_tracking.testing import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("tracking")) as server:
        yield server


@pytest.fixture
def board(tmp_path: Path, site: Site, server: Server) -> Iterator[RunningBoard]:
    keys = tmp_path / "system.json"
    access, secret = server.system
    keys.write_text(json.dumps({"access_key": access, "secret_key": secret}))
    with running_board(
        tmp_path / "board",
        site,
        tracking_api_url=server.url,
        tracking_key_file=str(keys),
    ) as board:
        # The command line of the hub's machine acts as this user.
        server.create_user(OPERATOR, "admin")
        yield board


def make(board: RunningBoard, name: str) -> httpx.Response:
    return board.call("POST", "/pc-keys", {"name": name})


def made(board: RunningBoard, name: str) -> dict[str, Any]:
    answer = make(board, name).raise_for_status()
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json()["key"])


def listed(board: RunningBoard, user: str = "") -> list[str]:
    answer = board.call("GET", f"/pc-keys?user={user}").raise_for_status()
    assert "secret" not in answer.text
    return [key["name"] for key in answer.json()["keys"]]


def client(server: Server, key: dict[str, Any]) -> Client:
    pair = key["access_key"], key["secret_key"]
    return Client(Credentials(server.url, server.web_url, server.files_url, *pair))


def test_keys_act_as_their_user_until_they_are_revoked(
    board: RunningBoard, server: Server
) -> None:
    laptop, desk = made(board, " laptop "), made(board, "desk, 2nd floor")
    assert listed(board) == ["laptop", "desk, 2nd floor"]
    with client(server, laptop) as pc:
        assert current_user(pc)[1] == OPERATOR

        path = f"/pc-keys/{laptop['access_key']}"
        assert board.call("DELETE", path).json()["revoked"] is True

        with pytest.raises(Unauthorized):
            pc.call("users.get_current_user")
    assert listed(board) == ["desk, 2nd floor"]
    assert board.call("DELETE", path).json()["revoked"] is False
    path = f"/pc-keys/{desk['access_key']}"
    board.call("DELETE", path).raise_for_status()


def test_names_tell_keys_apart(board: RunningBoard) -> None:
    key = made(board, "laptop")
    again = make(board, "laptop")
    assert (again.status_code, "revoke them" in again.json()["message"]) == (400, True)
    for name in ("", "  ", "a\nb", "x" * 61):
        assert make(board, name).status_code == 400, name
    board.call("DELETE", f"/pc-keys/{key['access_key']}").raise_for_status()


def test_only_keys_of_pcs_are_listed_and_revoked(
    board: RunningBoard, server: Server
) -> None:
    access, _ = server.create_user(OPERATOR, "admin")
    assert listed(board) == []
    assert board.call("DELETE", f"/pc-keys/{access}").json()["revoked"] is False


def test_admins_look_after_others_keys_and_make_none_for_them(
    board: RunningBoard, server: Server
) -> None:
    server.create_user("ada")
    assert listed(board, "ada") == []
    answer = board.call("POST", "/pc-keys?user=ada", {"name": "laptop"})
    assert answer.json()["user"] == OPERATOR
    path = f"/pc-keys/{answer.json()['key']['access_key']}"
    assert board.call("DELETE", f"{path}?user=ada").json()["revoked"] is False
    assert board.call("DELETE", path).json()["revoked"] is True


def test_whom_tracking_does_not_know_signs_in_anew(board: RunningBoard) -> None:
    answer = board.call("GET", "/pc-keys?user=nobody")
    assert (answer.status_code, "sign out" in answer.json()["message"]) == (409, True)


def test_with_a_clearml_server_keys_are_made_there(tmp_path: Path, site: Site) -> None:
    external = Tracking(url="https://app.clearml.example")
    keys = tmp_path / "service.json"
    keys.write_text(json.dumps({"access_key": "a", "secret_key": "b"}))
    with running_board(
        tmp_path / "board",
        site.model_copy(update={"tracking": external}),
        tracking_key_file=str(keys),
        keyring_folder=str(tmp_path / "keyring"),
        keyring_key_file=str(tmp_path / "keyring.key"),
    ) as board:
        answer = make(board, "laptop")
    assert (answer.status_code, "App Credentials" in answer.text) == (404, True)
