"""Hung, broken and vanished engines, over a real connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.waylab_engine.lying import CONTAINER, LyingEngine, body, lying_engine, raw

from waylab_engine import found
from waylab_engine.address import EngineAddress
from waylab_engine.engine import Engine
from waylab_engine.errors import (
    ContainerMissing,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
)

ENTRY = {
    "Id": "1",
    "State": "running",
    "Labels": {
        "org.waylab.lease": "L",
        "org.waylab.holder": "job:t",
        "org.waylab.devices": "a,b",
    },
}


@pytest.fixture
def lying() -> Iterator[LyingEngine]:
    with lying_engine() as engine:
        yield engine


@pytest.fixture
def engine(lying: LyingEngine) -> Iterator[Engine]:
    with Engine(lying.address, timeout_seconds=0.5) as engine:
        yield engine


def test_a_call_ends_after_its_time_even_if_bytes_keep_coming(
    lying: LyingEngine, engine: Engine
) -> None:
    lying.container = lying.trickle

    began = time.monotonic()
    with pytest.raises(EngineTimeout, match=r"within 0\.5 s"):
        engine.inspect(CONTAINER)

    assert time.monotonic() - began < 2


async def test_a_hung_engine_delays_no_other(lying: LyingEngine) -> None:
    lying.info = [lying.hang]
    with (
        lying_engine() as healthy,
        Engine(lying.address, timeout_seconds=60) as hung,
        Engine(healthy.address) as other,
    ):
        await other.call(other.info)
        waiting = [asyncio.create_task(hung.call(hung.info)) for _ in range(20)]
        await asyncio.sleep(0)  # Lets them begin.
        for _ in range(20):
            await other.call(other.info)
        assert not any(task.done() for task in waiting)
        lying.over.set()
        await asyncio.gather(*waiting, return_exceptions=True)


def test_errors_say_what_the_engine_said(lying: LyingEngine, engine: Engine) -> None:
    lying.container = body(404, {"message": "No such container: x"})
    with pytest.raises(ContainerMissing, match="No such container: x"):
        engine.inspect("x")
    lying.container = body(503, {"message": "shutting down"})
    with pytest.raises(EngineRefused, match="503: shutting down"):
        engine.inspect("x")
    lying.container = raw(200, b'{"Id":')
    with pytest.raises(EngineUnreachable, match="half an answer"):
        engine.inspect("x")
    lying.container = body(200, {"Id": "x"})
    with pytest.raises(EngineUnreachable, match="not a container engine"):
        engine.inspect("x")


def test_an_engine_that_is_not_there_is_unreachable() -> None:
    address = EngineAddress("unix:///nowhere/engine.sock")

    with (
        Engine(address) as engine,
        pytest.raises(EngineUnreachable, match="No such file"),
    ):
        engine.info()


def test_a_closed_engine_says_so(lying: LyingEngine) -> None:
    engine = Engine(lying.address)
    engine.info()
    engine.close()
    engine.close()

    with pytest.raises(EngineUnreachable, match="closed"):
        engine.info()


@pytest.mark.parametrize("url", ["", "docker.sock", "http://x", "tcp:// x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        EngineAddress(url)


def test_a_look_gives_what_the_labels_say(lying: LyingEngine, engine: Engine) -> None:
    lying.listing = body(200, [ENTRY])

    seen = found.look(engine, "site")

    assert seen.complete
    assert [(one.lease, one.holder, one.devices, one.state) for one in seen.found] == [
        ("L", "job:t", ("a", "b"), "running")
    ]
    assert seen.engine_id == "RIGHT:ENGINE"


@pytest.mark.parametrize(
    "listing",
    [
        body(500, {"message": "no"}),
        body(200, {"not": "a list"}),
        body(200, [{**ENTRY, "Labels": None}]),
        body(200, [{"Id": "1"}]),
        raw(200, b"[{"),
        raw(200, b"[{", announced=100),
    ],
)
def test_a_look_at_a_broken_engine_is_not_complete(
    lying: LyingEngine, engine: Engine, listing: object
) -> None:
    lying.listing = listing  # type: ignore[assignment]

    seen = found.look(engine, "site")

    assert not seen.complete
    assert seen.found == ()
    assert seen.trouble


def test_a_look_across_two_engines_is_not_complete(
    lying: LyingEngine, engine: Engine
) -> None:
    lying.info = [body(200, {"ID": "A"}), body(200, {"ID": "B"})]

    seen = found.look(engine, "site")

    assert (seen.complete, seen.engine_id) == (False, None)
    assert "from A to B" in seen.trouble


@pytest.mark.parametrize(
    ("fields", "cdi", "nvidia"),
    [
        ({}, False, False),
        ({"Runtimes": {"nvidia": {}}}, False, True),
        ({"CDISpecDirs": ["/etc/cdi"]}, True, False),
        ({"CDISpecDirs": ["/etc/cdi"], "Runtimes": {"nvidia": {}}}, False, True),
        ({"CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": []}, False, False),
        ({"DiscoveredDevices": [{"ID": "nvidia.com/gpu=GPU-1"}]}, True, False),
    ],
)
def test_an_engines_ways_to_devices_are_read_from_it(
    lying: LyingEngine,
    engine: Engine,
    fields: dict[str, object],
    cdi: bool,
    nvidia: bool,
) -> None:
    lying.info = [body(200, {"ID": "A", **fields})]

    info = engine.info()

    assert (info.cdi, info.nvidia) == (cdi, nvidia)
