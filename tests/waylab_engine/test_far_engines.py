"""An engine that is reached by TLS or SSH is an engine as any other."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import psutil
import pytest
from tests.waylab_engine.doors import (
    Door,
    certificates,
    ssh_door,
    ssh_program,
    tls_door,
)
from tests.waylab_engine.registry import running_registry
from tests.waylab_engine.test_engine import Maker

from waylab_engine.address import EngineAddress
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineTimeout, EngineUnreachable
from waylab_rig.rig import RunningEngine

pytestmark = pytest.mark.docker
needs_ssh = pytest.mark.skipif(
    shutil.which("ssh") is None,
    reason="no `ssh` on PATH: apt-get install openssh-client",
)
Far = tuple[Door, Engine]


@contextmanager
def by_tls(node: RunningEngine, folder: Path) -> Iterator[Far]:
    pair = certificates(folder, "engine")
    ours = certificates(folder, "client", folder / "authority")
    with tls_door(_socket(node), pair) as door:
        address = EngineAddress(f"tcp://127.0.0.1:{door.port}", tls_folder=ours)
        with Engine(address, timeout_seconds=5) as engine:
            yield door, engine


@contextmanager
def by_ssh(
    node: RunningEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Far]:
    key = paramiko.RSAKey.generate(2048)
    monkeypatch.setenv("PATH", str(ssh_program(folder, key)), prepend=":")
    with ssh_door(_socket(node), key) as door:
        address = EngineAddress(f"ssh://waylab@127.0.0.1:{door.port}")
        with Engine(address, timeout_seconds=5) as engine:
            yield door, engine


@pytest.fixture(params=["tls", pytest.param("ssh", marks=needs_ssh)])
def far(
    request: pytest.FixtureRequest,
    node: RunningEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Far]:
    way = (
        by_tls(node, tmp_path)
        if request.param == "tls"
        else by_ssh(node, tmp_path, monkeypatch)
    )
    with way as (door, engine):
        yield door, engine


def _socket(node: RunningEngine) -> Path:
    return Path(node.address.url.removeprefix("unix://"))


def _ways() -> list[psutil.Process]:
    """Give the `ssh` programs that this process has started and not ended."""
    return [one for one in psutil.Process().children() if one.name() == "ssh"]


def test_a_containers_life(far: Far, node: RunningEngine) -> None:
    _, engine = far
    maker = Maker(engine, node)
    container = maker.create("say", "hello", "wait", name="far")
    try:
        engine.start(container)
        assert engine.inspect(container).is_running
        assert len(_ways()) <= 1  # One way serves many requests.
        engine.stop(container, grace_seconds=5)
        assert engine.logs(container) == "hello\nhere\n"
        assert engine.info().id == node.engine_id
    finally:
        engine.remove(container, force=True)


def test_an_image_is_pulled(far: Far) -> None:
    percents: list[float] = []
    with running_registry() as address:
        far[1].pull(
            f"{address}/tiny:1", lambda progress: percents.append(progress.percent)
        )
    assert percents[-1] == 100


def test_one_that_hangs_is_given_up_in_time_and_comes_back(far: Far) -> None:
    door, engine = far
    known = engine.info().id
    door.is_open.clear()
    began = time.monotonic()
    with pytest.raises(EngineTimeout):
        engine.info()
    assert time.monotonic() - began < 8
    door.is_open.set()
    assert engine.info().id == known


def test_who_has_no_certificate_of_its_authority_is_refused(
    node: RunningEngine, tmp_path: Path
) -> None:
    pair = certificates(tmp_path, "engine")
    (tmp_path / "other").mkdir()
    stranger = certificates(tmp_path / "other", "client")
    shutil.copy(pair / "ca.pem", stranger / "ca.pem")
    with tls_door(_socket(node), pair) as door:
        url = f"tcp://127.0.0.1:{door.port}"
        with (
            Engine(EngineAddress(url, tls_folder=stranger)) as engine,
            pytest.raises(EngineUnreachable),
        ):
            engine.info()


def test_an_engine_of_another_authority_is_not_believed(
    node: RunningEngine, tmp_path: Path
) -> None:
    pair = certificates(tmp_path, "engine")
    (tmp_path / "other").mkdir()
    ours = certificates(tmp_path / "other", "client")
    with tls_door(_socket(node), pair) as door:
        url = f"tcp://127.0.0.1:{door.port}"
        with (
            Engine(EngineAddress(url, tls_folder=ours)) as engine,
            pytest.raises(EngineUnreachable, match="certificate verify failed"),
        ):
            engine.info()


@needs_ssh
def test_a_key_that_is_refused_is_told_in_the_words_of_ssh(
    node: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = paramiko.RSAKey.generate(2048)
    monkeypatch.setenv("PATH", str(ssh_program(tmp_path, key)), prepend=":")
    other = paramiko.RSAKey.generate(2048)
    with ssh_door(_socket(node), other) as door:
        address = EngineAddress(f"ssh://waylab@127.0.0.1:{door.port}")
        with (
            Engine(address) as engine,
            pytest.raises(EngineUnreachable, match="Permission denied"),
        ):
            engine.info()
    assert _ways() == []
