from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_agent.ledger_rig import LedgerRig, running_ledger
from tests.waylab_agent.rig import Rig

from waylab_agent.errors import JoinError, SettingsError
from waylab_agent.joining import board_url, join, membership
from waylab_agent.settings import PREFIX

CLI = "from waylab_agent.cli import app; app()"


@pytest.fixture
def ledger(rig: Rig) -> Iterator[LedgerRig]:
    with running_ledger(rig) as ledger:
        yield ledger


def invitation(ledger: LedgerRig) -> str:
    answer = ledger.board.call("POST", "/join-tokens", {"node": "n1"})
    return str(answer.raise_for_status().json()["token"])


def test_a_join_keeps_the_node_s_token_for_itself(
    ledger: LedgerRig, tmp_path: Path
) -> None:
    state = tmp_path / "agent"
    token = invitation(ledger)
    joined = join(ledger.board.url, token, state)
    assert joined.node == "n1"
    kept = membership(state)
    assert kept[f"{PREFIX}NODE"] == "n1"
    assert kept[f"{PREFIX}BOARD_URL"] == ledger.board.url
    file = Path(kept[f"{PREFIX}BOARD_TOKEN_FILE"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("node-")
    assert token not in "".join(p.read_text() for p in state.iterdir() if p.is_file())


def test_a_token_is_good_once(ledger: LedgerRig, tmp_path: Path) -> None:
    token = invitation(ledger)
    join(ledger.board.url, token, tmp_path / "one")
    with pytest.raises(JoinError, match="spent"):
        join(ledger.board.url, token, tmp_path / "two")
    assert not (tmp_path / "two" / "node.json").exists()


def test_a_wrong_address_is_told_from_a_site_that_is_away(
    ledger: LedgerRig, tmp_path: Path
) -> None:
    with pytest.raises(JoinError, match="is this the address of the site"):
        join(ledger.rig.server.url, "node-x", tmp_path)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    with pytest.raises(JoinError, match="Nobody answers"):
        join(f"http://127.0.0.1:{port}", "node-x", tmp_path)
    with pytest.raises(JoinError, match="write it as https://"):
        join("waylab", "node-x", tmp_path)


def test_the_board_is_found_below_the_site_s_address() -> None:
    assert board_url("https://w.example/") == "https://w.example/services/gpus"
    assert board_url("http://h:8010/services/gpus") == "http://h:8010/services/gpus"


def test_a_machine_that_has_not_joined_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="waylab node add"):
        membership(tmp_path)


def test_the_command_joins_and_the_agent_serves_the_node(
    ledger: LedgerRig, tmp_path: Path
) -> None:
    rig = ledger.rig
    state = tmp_path / "agents" / "joined"

    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-c", CLI, *arguments]

    token = invitation(ledger)
    said = subprocess.run(
        command("join", ledger.board.url, token, "--state", str(state)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the node n1 now" in said.stdout
    again = subprocess.run(
        command("join", ledger.board.url, token, "--state", str(state)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert "spent" in again.stderr
    keys = tmp_path / "keys.json"
    access, secret = rig.agent
    keys.write_text(json.dumps({"access_key": access, "secret_key": secret}))
    rig.run_agent(
        command("run", "--state", str(state)),
        {
            "QUEUES": rig.queue,
            "DEVICES": "",
            "API_URL": rig.server.url,
            "WEB_URL": rig.server.url,
            "FILES_URL": rig.server.files_url,
            "KEY_FILE": str(keys),
            "BOARD_SECONDS": "0.2",
        },
    )
    task = rig.enqueue("print('from a node that joined')")
    assert rig.end_of(task) == ("completed", "completed")
