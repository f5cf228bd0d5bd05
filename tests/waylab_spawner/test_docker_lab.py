"""What a container lab believes of an engine that is slow, broken or lying."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest
from tests.waylab_engine.lying import (
    CONTAINER,
    ID,
    Answer,
    LyingEngine,
    body,
    lying_engine,
    raw,
    state,
)
from tests.waylab_spawner.cells import CELLS
from tests.waylab_spawner.labs import SITE_ID, close, docker_lab, place

from waylab_engine import labels
from waylab_engine.address import EngineAddress
from waylab_ledger.values import ProofKind
from waylab_spawner.adoption import find
from waylab_spawner.desk import Desk
from waylab_spawner.errors import PlaceError
from waylab_spawner.offers import NodePlace
from waylab_spawner.order import Ended, Running, Unknown

pytestmark = [
    # docker's SDK leaves closing its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("tidy"),
]


@pytest.fixture
def engine() -> Iterator[LyingEngine]:
    with lying_engine() as running:
        yield running


@pytest.mark.parametrize(
    ("container", "info", "expected"),
    [cell[1:] for cell in CELLS],
    ids=[cell[0] for cell in CELLS],
)
async def test_only_the_right_engines_word_ends_a_lab(
    engine: LyingEngine,
    container: Callable[[LyingEngine], Answer],
    info: Answer | None,
    expected: object,
) -> None:
    engine.container = container(engine)
    engine.info = [info or engine.hang]
    lab = docker_lab(engine.address)

    seen = await lab.look()
    polled = await lab.poll()

    engine.over.set()
    close(lab)
    if expected is Running:
        assert (seen, polled) == (Running(), None)
    elif expected is None:
        assert polled is None
        assert isinstance(seen, Unknown)
        assert seen.reason
    else:
        assert isinstance(seen, Ended)
        assert seen.proof.kind is expected
        assert seen.proof.engine_id == ID


async def test_an_engine_that_refuses_proves_nothing() -> None:
    lab = docker_lab(EngineAddress("tcp://127.0.0.1:9"))

    seen = await lab.look()

    close(lab)
    assert isinstance(seen, Unknown)
    assert not seen.answered


async def test_an_engine_that_does_not_answer_is_not_told_to_stop(
    engine: LyingEngine,
) -> None:
    engine.info, engine.container = [engine.hang], engine.hang
    lab = docker_lab(engine.address)

    seen = await lab.end(10.0)

    engine.over.set()
    close(lab)
    assert isinstance(seen, Unknown)
    assert not [path for path in engine.asked if path.endswith("/stop")]


async def test_a_lab_that_was_never_started_needs_no_engine() -> None:
    lab = docker_lab(EngineAddress("tcp://127.0.0.1:9"), knows=False)

    seen = await lab.end(10.0)

    close(lab)
    assert isinstance(seen, Ended)
    assert seen.proof.kind is ProofKind.NEVER_STARTED


async def test_a_container_that_is_being_made_is_neither_absent_nor_forgotten(
    engine: LyingEngine,
) -> None:
    lab = docker_lab(engine.address, knows=False)
    made = asyncio.Event()

    async def create() -> str:
        await made.wait()
        return CONTAINER

    lab._making = asyncio.create_task(create())
    engine.container = body(200, state("running"))

    meanwhile = await lab.look()
    made.set()
    await lab._making
    afterwards = await lab.look()

    close(lab)
    assert isinstance(meanwhile, Unknown)
    assert lab.object_id == CONTAINER
    assert isinstance(afterwards, Running)


async def test_a_hub_that_starts_finds_labs_by_their_label(
    engine: LyingEngine,
) -> None:
    found = state("running")
    found["Config"]["Labels"] = {labels.SITE: SITE_ID, labels.LEASE: "l1"}
    engine.container = body(200, found)
    lab = docker_lab(engine.address, knows=False)
    here = place("vision", engine.address.url)

    adopted = await find([here], lambda _: lab)

    close(lab)
    assert (adopted.seen, adopted.lab, adopted.lease) == (Running(), lab, "l1")
    assert lab.identity() == (ID, CONTAINER)


@pytest.mark.parametrize("answer", ["hung", "error", "half"])
async def test_a_hub_that_starts_takes_no_silence_for_an_absence(
    engine: LyingEngine, answer: str
) -> None:
    engine.container = {
        "hung": engine.hang,
        "error": body(500, {"message": "oops"}),
        "half": raw(200, b'{"Id"', 500),
    }[answer]
    lab = docker_lab(engine.address, knows=False)
    here = place("vision", engine.address.url)

    adopted = await find([here], lambda _: lab)

    engine.over.set()
    close(lab)
    assert isinstance(adopted.seen, Unknown)
    assert adopted.lab is None


async def test_containers_of_another_site_are_none_of_ours(
    engine: LyingEngine,
) -> None:
    found = state("running")
    found["Config"]["Labels"] = {labels.SITE: "another"}
    engine.container = body(200, found)
    lab = docker_lab(engine.address, knows=False)

    assert await lab.find() is None
    close(lab)


@pytest.fixture
def silent() -> Iterator[NodePlace]:
    """Give a node that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield place("silent", f"tcp://127.0.0.1:{listener.getsockname()[1]}")


async def test_a_silent_node_does_not_delay_the_choice_of_another(
    engine: LyingEngine, silent: NodePlace
) -> None:
    answering = place("vision", engine.address.url)
    desk = Desk(None)
    assert await desk.first_answering([answering]) == "vision"

    # Alone, the silent one is waited for until its engine's time is up.
    async with asyncio.timeout(2):
        chosen = await desk.first_answering([silent, answering])

    assert chosen == "vision"
    for node in (silent, answering):
        desk.engine(node).close()


async def test_no_node_that_answers_is_said_with_what_each_said() -> None:
    desk = Desk(None)
    nowhere = place("nowhere", "tcp://127.0.0.1:9")

    with pytest.raises(PlaceError, match=r"No node can run this lab now \(nowhere: "):
        await desk.first_answering([nowhere])
    desk.engine(nowhere).close()
