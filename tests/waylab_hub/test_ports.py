from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from waylab_hub import ports
from waylab_hub.errors import StartError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def free() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def test_ports_are_chosen_once_and_kept(tmp_path: Path, free: int) -> None:
    first = ports.choose(tmp_path / "ports.json", free)

    assert ports.choose(tmp_path / "ports.json", free) == first
    assert ports.read(tmp_path / "ports.json") == first
    assert len({first.public, first.hub, first.proxy_api, first.tracking}) == 4


def test_a_kept_port_that_is_taken_meanwhile_is_replaced(
    tmp_path: Path, free: int
) -> None:
    first = ports.choose(tmp_path / "ports.json", free)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", first.hub))
        listener.listen()

        second = ports.choose(tmp_path / "ports.json", free)

    assert second.hub != first.hub
    assert second.tracking == first.tracking


def test_a_public_port_in_use_is_refused_with_the_remedy(
    tmp_path: Path, taken: int
) -> None:
    with pytest.raises(
        StartError, match=f"Port {taken} is in use by another program.*WAYLAB_PORT"
    ):
        ports.choose(tmp_path / "ports.json", taken)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every port")
def test_a_port_for_root_only_is_refused_with_the_remedy() -> None:
    with pytest.raises(StartError, match="root only"):
        ports.check_public(81)


@pytest.mark.parametrize("text", ["", "[]", '{"hub": "x"}', '{"nonsense": 1}'])
def test_damaged_ports_are_chosen_anew(tmp_path: Path, text: str, free: int) -> None:
    (tmp_path / "ports.json").write_text(text)

    assert ports.read(tmp_path / "ports.json") is None
    assert ports.choose(tmp_path / "ports.json", free).public == free
