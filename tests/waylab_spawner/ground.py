"""What every site of these tests stands on: real tracking and a real board."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waylab_board.testing import RunningBoard, running_board
from waylab_site.model import Site
from waylab_spawner.testing import Hub
from waylab_tracking.testing import running_server

ROLES: list[dict[str, Any]] = [
    {"name": "user", "scopes": ["self", "access:services!service=gpus"]},
    {
        "name": "gpus",
        "services": ["gpus"],
        "scopes": ["list:users", "read:users", "read:groups", "servers"],
    },
]


@contextmanager
def running_ground(root: Path, site: Site, hub: Hub) -> Iterator[RunningBoard]:
    """Run tracking and board, and tell a hub that has not started of both."""
    with running_server(root / "tracking") as tracking:
        key_file = root / "system.json"
        _write_keys(key_file, tracking.system)
        for node in site.nodes:
            keys = tracking.create_user(f"agent-{node.name}", role="agent")
            _write_keys(root / f"agent-{node.name}.json", keys)
        secret_file = root / "oauth-secret"
        secret_file.write_text("s" * 64)
        with running_board(
            root / "board",
            site,
            hub_api_url=hub.api_url,
            oauth_client_id="service-gpus",
            oauth_secret_file=str(secret_file),
        ) as board:
            secret_file.write_text(board.hub_token)
            board.restart()
            hub.services, hub.roles = [_service(board)], ROLES
            hub.traits = {
                **hub.traits,
                "profiles": [p.model_dump(mode="json") for p in site.profiles],
                "images": [i.model_dump(mode="json") for i in site.images],
                "tracking_api_url": tracking.url,
                "tracking_web_url": tracking.url,
                "tracking_files_url": tracking.files_url,
                "tracking_key_file": str(key_file),
                "board_url": board.url,
                "board_token_file": str(board.hub_token_file),
            }
            yield board


def _write_keys(path: Path, keys: tuple[str, str]) -> None:
    access, secret = keys
    path.write_text(json.dumps({"access_key": access, "secret_key": secret}))


def _service(board: RunningBoard) -> dict[str, Any]:
    return {
        "name": "gpus",
        "url": f"http://127.0.0.1:{board.port}",
        "api_token": board.hub_token,
        "oauth_client_id": "service-gpus",
        "oauth_redirect_uri": "/services/gpus/oauth_callback",
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": ["access:services!service=gpus"],
        "display": False,
    }
