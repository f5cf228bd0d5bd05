"""Starting, crashing, restarting and clearing a simulated node."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waylab_engine.tiny import IMAGE, build

from waylab_engine import plans
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineUnreachable
from waylab_engine.plans import Ground, Limits, Occupant, Program, Wish
from waylab_ledger.values import Holder
from waylab_rig import leftovers, network
from waylab_rig.errors import RigError
from waylab_rig.places import Places
from waylab_rig.rig import of_node, start_engine

pytestmark = pytest.mark.docker
GPUS = of_node("n", "RTX 4090", 1, 24)


@pytest.fixture
def folder(tmp_path: Path, can_simulate: None) -> Iterator[Path]:
    folder = tmp_path / "node"
    yield folder
    assert traces(Places(folder)) == []


def traces(places: Places) -> list[str]:
    """Say what of a node is still on the machine."""
    left = [str(places.run)] if places.run.exists() else []
    if network.subnet_of(places.bridge) is not None:
        left.append(places.bridge)
    mounts = Path("/proc/self/mountinfo").read_text("utf-8")
    left += [m for m in (str(places.run), str(places.folder)) if m in mounts]
    left += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{places.cgroup}")]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_text("utf-8", "replace")
            except OSError:
                continue
            if str(places.run) in command:
                left.append(command.replace("\0", " "))
    return left


def a_container(engine: Engine) -> str:
    ground = Ground("site", "n", engine.info(), (IMAGE,))
    limits = Limits(cpus=1, memory_bytes=64 * 1024**2)
    program = Program(("/do", "wait"), {}, working_dir="/")
    who = Occupant(Holder.job("t"), "ann", devices=(GPUS[0].uuid,))
    container = engine.create(plans.job(ground, who, limits, program, Wish()))
    engine.start(container)
    return container


def test_a_crashed_engine_comes_back_with_its_containers(
    folder: Path, tmp_path: Path
) -> None:
    with start_engine("n", GPUS, folder, keep_containers=True) as node:
        with node.engine() as engine:
            build(engine, tmp_path)
            container = a_container(engine)
            before = node.engine_id
            node.kill()
            with pytest.raises(EngineUnreachable):
                engine.info()
            node.restart()
        with node.engine() as engine:
            assert engine.info().id == before
            assert engine.inspect(container).is_running


def test_a_stopped_node_keeps_its_data_and_its_name(folder: Path) -> None:
    with start_engine("n", GPUS, folder) as node:
        before = (node.engine_id, node.address, node.uuids)
        with node.engine() as engine:
            engine.connection.run(lambda client: client.create_volume("kept"))
    assert traces(Places(folder)) == []

    with start_engine("n", GPUS, folder) as node, node.engine() as engine:
        assert (node.engine_id, node.address, node.uuids) == before
        kept = engine.connection.run(lambda client: client.inspect_volume("kept"))

    assert kept["Name"] == "kept"


def test_one_folder_is_kept_by_one_process(folder: Path) -> None:
    with running(folder), pytest.raises(RigError, match="is run by process"):
        start_engine("n", GPUS, folder)


def test_what_a_dead_keeper_left_is_cleared_at_the_next_start(
    folder: Path, tmp_path: Path
) -> None:
    with running(folder) as program:
        program.kill()
        program.wait()
    assert leftovers.owner(Places(folder)) is None

    with start_engine("m", GPUS, tmp_path / "other"):
        assert traces(Places(folder)) == []


def test_the_program_keeps_containers_on_sigterm_and_ends_them_on_sigint(
    folder: Path, tmp_path: Path
) -> None:
    with running(folder, "--keep-containers") as program:
        address = Places(folder).address
        with Engine(address) as engine:
            build(engine, tmp_path)
            container = a_container(engine)
            pid = engine.connection.get_ok(f"/containers/{container}/json")
        end(program, signal.SIGTERM)
    assert Path(f"/proc/{pid['State']['Pid']}").exists()

    with running(folder, "--keep-containers") as program:
        with Engine(address) as engine:
            assert engine.inspect(container).is_running
        end(program, signal.SIGINT)
    assert not Path(f"/proc/{pid['State']['Pid']}").exists()


def test_the_program_tells_when_the_engine_dies(folder: Path) -> None:
    with running(folder) as program:
        os.kill(int(Places(folder).pid_file.read_text("utf-8")), signal.SIGKILL)
        assert program.wait(60) == 1


def test_devices_that_are_none_end_the_program_with_a_sentence(folder: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--state", str(folder), "--devices", "many"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "The simulated node n cannot start. 'many' are no devices" in done.stderr


COMMAND = [sys.executable, "-m", "waylab_rig", "engine", "--node", "n"]


class running:  # noqa: N801 - reads as what it does.
    """The program of a simulated node, until the block's end."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options

    def __enter__(self) -> subprocess.Popen[str]:
        gpus = '[{"model": "RTX 4090", "count": 1, "memory_gib": 24}]'
        self._program = subprocess.Popen(
            [*COMMAND, "--state", str(self._folder), "--devices", gpus, *self._options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._program.stdout is not None
        said: dict[str, Any] = json.loads(self._program.stdout.readline())
        assert said["url"] == Places(self._folder).address.url
        return self._program

    def __exit__(self, *_: object) -> None:
        end(self._program, signal.SIGINT)
        if self._program.stdout is not None:
            self._program.stdout.close()


def end(program: subprocess.Popen[str], number: signal.Signals) -> None:
    if program.poll() is None:
        program.send_signal(number)
    program.wait(60)
