"""The operator's verbs, as processes towards a real board."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waylab_board.conftest import EPOCH, Ask

from waylab_board.testing import FakeNode, RunningBoard, running_board
from waylab_ledger.values import Found
from waylab_site.model import Site
from waylab_site.state import State

Run = Callable[..., subprocess.CompletedProcess[str]]
_PROGRAM = """
import typer
from waylab_board import cli
app = typer.Typer()
app.add_typer(cli.gpus, name="gpus")
app.add_typer(cli.node, name="node")
app.command("audit")(cli.audit)
app()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return State.open(tmp_path / "home", open_root=tmp_path / "open").root


@pytest.fixture
def board(tmp_path: Path, site: Site, home: Path) -> Iterator[RunningBoard]:
    file = home / "secrets" / "board-operator.json"
    with running_board(tmp_path / "board", site, operator_file=str(file)) as board:
        board.operator_file = file
        board.call("POST", "/epochs", {"epoch": EPOCH}, token=board.hub_token)
        yield board


@pytest.fixture
def run(home: Path) -> Run:
    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _PROGRAM, *words],
            env={**os.environ, "WAYLAB_HOME": str(home)},
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )

    return run


def test_gpus_shows_devices_holders_and_the_line(
    board: RunningBoard, vision: FakeNode, ask: Ask, run: Run
) -> None:
    lease = ask("ada", limit=3600)
    ask("bob", None)
    ask("eve")

    shown = run("gpus").stdout

    assert "vision [up] (simulated)" in shown
    assert f"ada lab:ada/ [granted]  {lease.id}" in shown
    assert "eve" in shown.partition("The line:")[2]
    told = json.loads(run("gpus", "--json").stdout)
    assert [node["name"] for node in told["nodes"]] == ["vision", "nlp", "cpu", "hub"]


def test_an_operator_drains_fences_and_releases(
    board: RunningBoard, vision: FakeNode, ask: Ask, run: Run
) -> None:
    assert run("gpus", "drain", "vision").returncode == 0
    assert board.state().nodes[0].state == "drained"
    assert run("gpus", "undrain", "vision").returncode == 0
    ask("ada", take=False)
    assert "is released" in run("gpus", "release", "lab:ada").stdout
    assert run("gpus", "release", "lab:ada").returncode == 1
    refused = run("gpus", "fence", "vision", stdin="no\n")
    assert (refused.returncode, board.state().nodes[0].state) == (1, "up")
    assert run("gpus", "fence", "vision", stdin="vision\n").returncode == 0
    assert board.state().nodes[0].state == "down"


def test_a_node_is_invited_and_revoked(board: RunningBoard, run: Run) -> None:
    made = json.loads(run("node", "add", "vision", "--json").stdout)
    assert made["command"] in run("node", "add", "vision").stdout or made["token"]

    assert made["id"] in run("node", "list").stdout
    assert run("node", "revoke", made["id"]).returncode == 0
    assert made["id"] not in run("node", "list").stdout


def test_audit_exits_with_one_if_there_is_a_difference(
    board: RunningBoard, vision: FakeNode, run: Run
) -> None:
    well = run("audit")
    vision.found = (Found("c2", "gone", "lab:eve/", ("GPU-vision-1",), "running"),)
    vision.report()
    with vision.reporting():
        bad = run("audit")

    assert (well.returncode, well.stdout) == (
        0,
        "Ledger, nodes, hub and ClearML agree.\n",
    )
    assert bad.returncode == 1
    assert "c2 (lab:eve/) is running with lease gone" in bad.stdout


def test_without_a_board_one_sentence_says_so(home: Path, run: Run) -> None:
    done = run("gpus")

    assert done.returncode == 1
    assert "the board makes it when it starts" in done.stderr
