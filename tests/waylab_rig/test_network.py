"""The bridge of a simulated node stays what its containers know it as."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from waylab_rig import network
from waylab_rig.network import Bridge
from waylab_rig.requirements import find

pytestmark = pytest.mark.docker


@pytest.fixture
def bridge(can_simulate: None) -> Iterator[Bridge]:
    made = network.make(f"waylab{secrets.token_hex(4)}")
    yield made
    network.remove(made.name)


def test_its_address_stays_when_a_container_comes_or_goes(bridge: Bridge) -> None:
    def address() -> str:
        return Path(f"/sys/class/net/{bridge.name}/address").read_text().strip()

    def ip(*words: str) -> None:
        subprocess.run([find("ip") or "ip", "link", *words], check=True)

    before = address()
    port = f"{bridge.name[-8:]}p"
    # What an engine does for a container; a bridge takes the lowest of its ports' own.
    ip("add", port, "address", "02:00:00:00:00:01", "type", "veth")
    try:
        ip("set", port, "master", bridge.name)
        with_it = address()
    finally:
        ip("del", port)

    assert (before, with_it, address()) == (bridge.mac,) * 3
    assert bridge.mac == f"02:42:{bridge.subnet[1].packed.hex(':')}"
