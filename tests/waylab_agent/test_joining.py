from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waylab_agent.docker_rig import LAB, DockerRig, image
from tests.waylab_agent.ledger_rig import LedgerRig, running_ledger
from tests.waylab_agent.rig import running_rig

from waylab_agent.errors import JoinError, SettingsError
from waylab_agent.joining import board_url, join, membership
from waylab_agent.own_engine import own_engine
from waylab_agent.settings import PREFIX
from waylab_engine.address import LOCAL_SOCKET
from waylab_ledger.values import LeaseState
from waylab_rig.rig import REFERENCE, RunningEngine
from waylab_site.model import Node, Site
from waylab_tracking.testing import Server

CLI = "from waylab_agent.cli import app; app()"


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
            "BOARD_SECONDS": "0.4",
        },
    )
    task = rig.enqueue("print('from a node that joined')")
    assert rig.end_of(task) == ("completed", "completed")


@pytest.mark.docker
@pytest.mark.timeout(300)
# docker's SDK leaves some of its sockets to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_node_that_joined_runs_its_jobs_in_its_engine(
    tmp_path: Path, open_server: Server, node: RunningEngine
) -> None:
    images = (image(LAB, REFERENCE),)
    with (
        running_rig(tmp_path, open_server) as rig,
        running_ledger(
            rig, images, engine=node.address.url, **node.environment
        ) as ledger,
        node.engine() as engine,
    ):
        docker = DockerRig(ledger, node, engine)
        state = tmp_path / "joined"
        kept = join(ledger.board.url, invitation(ledger), state).settings
        assert kept["ENGINE"] == node.address.url
        access, secret = rig.agent
        (state / "keys.json").write_text(
            json.dumps({"access_key": access, "secret_key": secret})
        )
        url = f"http://{engine.gateway()}:{rig.server.port}"
        rig.run_agent(
            [sys.executable, "-c", CLI, "run", "--state", str(state)],
            {
                "QUEUES": rig.queue,
                "SITE_ID": rig.queue,
                "API_URL": url,
                "WEB_URL": url,
                "FILES_URL": f"{url}/files",
                "KEY_FILE": str(state / "keys.json"),
                "BOARD_SECONDS": "0.4",
            },
            ledger.environment,
        )
        task = docker.enqueue(
            "import os; print('IN', os.path.exists('/.dockerenv'))", 1
        )
        lease = ledger.wait_for_lease(task, LeaseState.ACTIVE)
        assert docker.container(task) is not None
        assert rig.end_of(task) == ("completed", "completed")
        assert "IN True" in rig.console(task)
        assert lease.devices[0] in node.uuids
        ledger.wait_for_release()


def test_the_engine_on_the_node_follows_from_the_site() -> None:
    def engine(text: str) -> str | None:
        node = Node(name="n1", address="10.0.0.5", engine=text)
        site = Site(nodes=(node,), queues=(), profiles=())
        return own_engine(site, "n1")

    assert engine("tcp://10.0.0.5:2376") == LOCAL_SOCKET
    assert engine("ssh://waylab@10.0.0.5") == LOCAL_SOCKET
    assert engine("unix:///run/other.sock") == "unix:///run/other.sock"
    assert engine("none") is None
    assert engine("auto") is None, "the site has no image"


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (None, "WAYLAB_AGENT_ENGINE is not set"),
        ("unix:///nowhere/engine.sock", "cannot be used"),
    ],
)
def test_an_agent_does_not_start_without_the_engine_that_the_site_names(
    server: Server, tmp_path: Path, engine: str | None, said: str
) -> None:
    with (
        running_rig(tmp_path, server) as rig,
        running_ledger(rig, engine="tcp://10.0.0.5:2376") as ledger,
    ):
        state = tmp_path / "joined"
        join(ledger.board.url, invitation(ledger), state)
        kept = json.loads((state / "node.json").read_text())
        kept |= {"ENGINE": engine} if engine else {}
        if engine is None:
            del kept["ENGINE"]  # As an older version has joined.
        (state / "node.json").write_text(json.dumps(kept))
        keys = state / "keys.json"
        keys.write_text(json.dumps({"access_key": "a", "secret_key": "s"}))
        agent = rig.run_agent(
            [sys.executable, "-c", CLI, "run", "--state", str(state)],
            {
                "API_URL": rig.server.url,
                "WEB_URL": rig.server.url,
                "FILES_URL": rig.server.files_url,
                "KEY_FILE": str(keys),
            },
        )
        assert agent.process.wait(60) == 1
        assert said in agent.said()
