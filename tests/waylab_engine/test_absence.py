"""The false-gone matrix: which answers of an engine free a device, and which do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.waylab_engine.lying import (
    CONTAINER,
    ID,
    LyingEngine,
    body,
    lying_engine,
    raw,
    state,
)

from waylab_engine.absence import Answer, judge
from waylab_engine.engine import Engine
from waylab_ledger.values import Proof, ProofKind

MISSING = {"message": f"No such container: {CONTAINER}"}
OTHER = body(200, {"ID": "OTHER:ENGINE"})
RIGHT = body(200, {"ID": ID})


@pytest.fixture
def lying() -> Iterator[LyingEngine]:
    with lying_engine() as engine:
        yield engine


def asked(lying: LyingEngine) -> Proof | None:
    with Engine(lying.address, timeout_seconds=0.5) as engine:
        answer = engine.ask(CONTAINER)
    return judge(answer, container=CONTAINER, engine_id=ID, by="test")


def test_exited_on_the_right_engine_is_a_proof(lying: LyingEngine) -> None:
    lying.container = body(200, state("exited"))

    proof = asked(lying)

    assert proof is not None
    assert (proof.kind, proof.by, proof.engine_id) == (ProofKind.EXITED, "test", ID)
    assert "exited with 137" in proof.detail


def test_no_such_container_on_the_right_engine_is_a_proof(lying: LyingEngine) -> None:
    lying.container = body(404, MISSING)

    proof = asked(lying)

    assert proof is not None
    assert (proof.kind, proof.engine_id) == (ProofKind.NO_CONTAINER, ID)


Lie = Callable[[LyingEngine], None]


def answers(answer: object, *info: object) -> Lie:
    def lie(engine: LyingEngine) -> None:
        engine.container = answer  # type: ignore[assignment]
        if info:
            engine.info = list(info)  # type: ignore[arg-type]

    return lie


def whole_hangs(engine: LyingEngine) -> None:
    engine.info = [engine.hang]


def container_hangs(engine: LyingEngine) -> None:
    engine.container = engine.hang


def container_trickles(engine: LyingEngine) -> None:
    engine.container = engine.trickle


EXITED, GONE = body(200, state("exited")), body(404, MISSING)
NO_PROOF: dict[str, Lie] = {
    "running": answers(body(200, state("running"))),
    "paused": answers(body(200, state("paused"))),
    "created": answers(body(200, state("created"))),
    "removing": answers(body(200, state("removing"))),
    "dead": answers(body(200, state("dead"))),
    "exited, it says, and still running": answers(
        body(200, state("exited", Running=True))
    ),
    "exited, it says, with a process": answers(body(200, state("exited", Pid=7))),
    "exited, without a code": answers(body(200, state("exited", ExitCode=None))),
    "another container": answers(body(200, {**state("exited"), "Id": "beef"})),
    "404 of another container": answers(
        body(404, {"message": "No such container: beef"})
    ),
    "404 of a path": answers(body(404, {"message": "page not found"})),
    "404 of a proxy": answers(raw(404, b"<html>Not Found</html>")),
    "404 without a body": answers(raw(404, b"")),
    "409": answers(body(409, {"message": f"conflict: {CONTAINER}"})),
    "500": answers(body(500, MISSING)),
    "502": answers(raw(502, b"Bad Gateway")),
    "timeout": container_hangs,
    "timeout of everything": whole_hangs,
    "a byte now and then": container_trickles,
    "half a JSON": answers(raw(200, b'{"Id": "c0f')),
    "half of an answer": answers(raw(200, b'{"Id": "c0f', announced=5000)),
    "half a 404": answers(raw(404, b'{"message": "No such cont', announced=5000)),
    "a list": answers(body(200, [state("exited")])),
    "another engine: exited": answers(EXITED, OTHER),
    "another engine: no such container": answers(GONE, OTHER),
    "the engine changed meanwhile": answers(GONE, RIGHT, OTHER),
    "the engine came back meanwhile": answers(GONE, OTHER, RIGHT),
    "an engine without an ID": answers(GONE, body(200, {"ID": ""})),
    "no engine at all": answers(GONE, body(200, {"hello": "world"})),
    "an engine that fails": answers(GONE, body(500, {"message": "no"})),
}


@pytest.mark.parametrize("name", NO_PROOF)
def test_nothing_else_is_a_proof(lying: LyingEngine, name: str) -> None:
    NO_PROOF[name](lying)

    assert asked(lying) is None


def test_a_refused_connection_is_no_proof() -> None:
    with lying_engine() as engine:
        pass

    assert asked(engine) is None


def test_an_unknown_engine_proves_nothing() -> None:
    answer = Answer(404, MISSING, "")

    assert judge(answer, container=CONTAINER, engine_id="", by="test") is None


def test_a_container_may_be_asked_for_by_name(lying: LyingEngine) -> None:
    lying.container = body(200, state("exited"))
    with Engine(lying.address, timeout_seconds=0.5) as engine:
        answer = engine.ask("waylab-x")

    assert judge(answer, container="waylab-x", engine_id=ID, by="test") is not None
    assert judge(answer, container="waylab", engine_id=ID, by="test") is None
