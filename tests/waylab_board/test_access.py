"""Who may do what: every endpoint asks who is there."""

from __future__ import annotations

import re

import httpx
from tests.waylab_board.conftest import Ask

from waylab_board.testing import FakeNode, RunningBoard
from waylab_site.certificates import trusted

OPEN = {"/health"}
# Joining has a token of its own kind; signing in is how a browser gets one.
SIGN_IN = {"/sign-in", "/oauth_callback"}
PAGES = ("/", "/wait/x", "/nodes", "/clearml", "/pc")
ADMINS = (
    ("GET", "/events"),
    ("GET", "/audit"),
    ("GET", "/join-tokens"),
    ("POST", "/join-tokens"),
    ("DELETE", "/join-tokens/x"),
    ("POST", "/nodes/vision/drain"),
    ("POST", "/nodes/vision/undrain"),
    ("POST", "/nodes/vision/fence"),
)


def operations(board: RunningBoard) -> list[tuple[str, str]]:
    """List every endpoint that the interface describes."""
    headers = {"Authorization": f"token {board.operator_token}"}
    answer = httpx.get(
        f"{board.url}/openapi.json", headers=headers, trust_env=False, verify=trusted()
    )
    paths = answer.raise_for_status().json()["paths"]
    return [
        (method.upper(), re.sub(r"\{\w+\}", "x", path))
        for path, methods in paths.items()
        for method in methods
    ]


def test_every_endpoint_demands_authentication(board: RunningBoard) -> None:
    found = operations(board)
    root = board.url.removesuffix("/services/gpus")
    let_in = {
        (method, path): answer.status_code
        for method, path in found
        for header in ({}, {"Authorization": "token wrong"})
        if path.removeprefix("/services/gpus") not in OPEN
        and (
            answer := httpx.request(
                method,
                root + path,
                headers=header,
                json={},
                trust_env=False,
                verify=trusted(),
            )
        ).status_code
        != 401
    }

    assert len(found) > 25
    assert let_in == {}


def test_pages_and_their_description_demand_it_too(board: RunningBoard) -> None:
    for path in (*PAGES, "/openapi.json"):
        answer = httpx.get(board.url + path, trust_env=False, verify=trusted())
        assert answer.status_code == 401, path
    for path in SIGN_IN:
        answer = httpx.get(board.url + path, trust_env=False, verify=trusted())
        assert answer.status_code in {401, 403}, path
    for path in ("/health", "/static/board.css"):
        assert httpx.get(board.url + path, trust_env=False, verify=trusted()).is_success


def test_only_admins_drain_fence_invite_and_audit(board: RunningBoard) -> None:
    body = {"node": "vision", "confirm": "vision"}
    for token in (board.hub_token, board.node_token("vision")):
        for method, path in ADMINS:
            answer = board.call(method, path, body, token=token)
            assert answer.status_code == 403, (method, path)


def test_a_node_sees_no_secret_of_a_lab(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada", key="a-key-of-its-own", options='{"x": "hers alone"}')

    for token in (board.node_token("nlp"), board.operator_token):
        for path in ("/state", "/leases", f"/leases/{lease.id}", "/tickets"):
            text = board.call("GET", path, token=token).text
            assert "a-key-of-its-own" not in text
            assert "hers alone" not in text
            assert "hub-of-tests" not in text


def test_the_operators_file_is_for_its_owner_alone(board: RunningBoard) -> None:
    assert board.operator_file.stat().st_mode & 0o777 == 0o600
    for path in (board.state_folder / "node-keys").rglob("*.json"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_no_token_is_in_the_log(board: RunningBoard, vision: FakeNode) -> None:
    token = board.node_token("nlp")
    board.call("GET", "/state", token=token)
    board.stop()

    assert not any(
        word in board.log for word in (token, board.hub_token, board.operator_token)
    )
