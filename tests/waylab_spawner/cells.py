"""What an engine may say of a container, and what of it is a proof."""

from __future__ import annotations

from collections.abc import Callable

from tests.waylab_engine.lying import (
    CONTAINER,
    ID,
    Answer,
    LyingEngine,
    body,
    raw,
    state,
)

from waylab_ledger.values import ProofKind
from waylab_spawner.order import Running

MISSING = body(404, {"message": f"No such container: {CONTAINER}"})
RIGHT = body(200, {"ID": ID})
OTHER = body(200, {"ID": "OTHER:ENGINE"})


def _hang(engine: LyingEngine) -> Answer:
    return engine.hang


def _always(answer: Answer) -> Callable[[LyingEngine], Answer]:
    return lambda engine: answer


# Name, the answer about the container, that about the engine (None: it hangs), and what
# follows (None: nothing).
CELLS = [
    ("running", _always(body(200, state("running"))), RIGHT, Running),
    ("exited", _always(body(200, state("exited"))), RIGHT, ProofKind.EXITED),
    ("gone", _always(MISSING), RIGHT, ProofKind.NO_CONTAINER),
    ("another path", _always(body(404, {"message": "page not found"})), RIGHT, None),
    ("conflict", _always(body(409, {"message": "busy"})), RIGHT, None),
    ("error", _always(body(500, {"message": "oops"})), RIGHT, None),
    ("half", _always(raw(200, b'{"Id": "c0f', 500)), RIGHT, None),
    ("no JSON", _always(raw(200, b"<html>")), RIGHT, None),
    ("timeout", _hang, RIGHT, None),
    ("hung", _hang, None, None),
    ("gone at another engine", _always(MISSING), OTHER, None),
    ("exited at another engine", _always(body(200, state("exited"))), OTHER, None),
    ("created", _always(body(200, state("created"))), RIGHT, None),
    ("dead", _always(body(200, state("dead"))), RIGHT, None),
]
