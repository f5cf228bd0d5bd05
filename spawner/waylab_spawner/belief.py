"""What an engine's answer says of a lab: it runs, it has ended, or nothing."""

from __future__ import annotations

from waylab_engine import absence
from waylab_engine.absence import Answer
from waylab_engine.container import Container, parse
from waylab_engine.errors import EngineError
from waylab_ledger.values import Proof
from waylab_spawner.order import Ended, Look, Running, Unknown

_OK = 200


def believed(answer: Answer, container: str, engine_id: str, *, node: str) -> Look:
    """Give what an answer about a container is worth.

    Only a proof counts as ended; whatever is neither that nor a running container is
    unknown, and says why.
    """
    proof = absence.judge(answer, container=container, engine_id=engine_id, by="hub")
    described = _described(answer)
    if proof is not None:
        return _ended(proof, described)
    if described is not None and described.is_running:
        return Running()
    if described is not None:
        return Unknown(f"its container is {described.status}", answered=True)
    words = f"the engine of {node} answers {answer.status}, which proves nothing"
    return Unknown(
        answer.trouble or words,
        answered=answer.status is not None and not answer.trouble,
    )


def _described(answer: Answer) -> Container | None:
    if answer.status != _OK:
        return None
    try:
        return parse(answer.body)
    except EngineError:
        return None


def _ended(proof: Proof, container: Container | None) -> Ended:
    if container is None:
        return Ended(proof, 0, proof.detail)
    code = container.exit_code or 0
    words = f"exit code {code}"
    if container.is_out_of_memory:
        words += ", out of memory: choose a profile with more, or load less"
    elif container.error:
        words += f", {container.error}"
    return Ended(proof, code, words)
