"""When an engine's answer proves that a container is gone, and when it does not.

An engine that is slow, restarting, broken, or no longer the same one, says nothing
about the container. Only two answers free a device: the right engine knows the
container and says that it has exited, or knows no such container.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from waylab_ledger.values import Proof, ProofKind

_OK = 200
_NOT_FOUND = 404


@dataclass(frozen=True)
class Answer:
    """What came back when an engine was asked for one container.

    `status` is that of HTTP, None where none came. `body` is the decoded JSON, None
    where it was none or was cut off. `engine_id` is the engine's own ID, read from it
    before and after the question; None where it could not be read or had changed.
    """

    status: int | None
    body: object = None
    engine_id: str | None = None
    trouble: str = ""


def judge(answer: Answer, *, container: str, engine_id: str, by: str) -> Proof | None:
    """Give the proof that a container no longer runs, if the answer is one.

    `container` is the ID or the name that was asked for, `engine_id` the engine on
    which it was started, `by` who asked.
    """
    if not engine_id or answer.engine_id != engine_id:
        return None
    if not isinstance(answer.body, Mapping):
        return None
    if answer.status == _NOT_FOUND and _says_missing(answer.body, container):
        detail = f"the engine knows no container {container}"
        return Proof(ProofKind.NO_CONTAINER, by, detail, engine_id)
    if answer.status == _OK and _is_about(answer.body, container):
        code = _exit_code(answer.body)
        if code is not None:
            detail = f"container {container} exited with {code}"
            return Proof(ProofKind.EXITED, by, detail, engine_id)
    return None


def _says_missing(body: Mapping[str, object], container: str) -> bool:
    # A proxy in between, or a path that the engine does not know, is 404 as well.
    message = body.get("message")
    return (
        isinstance(message, str)
        and re.search("no such container", message, re.IGNORECASE) is not None
        and container in message
    )


def _is_about(body: Mapping[str, object], container: str) -> bool:
    identity, name = body.get("Id"), body.get("Name")
    if not isinstance(identity, str) or not container:
        return False
    return identity.startswith(container) or name == f"/{container}"


def _exit_code(body: Mapping[str, object]) -> int | None:
    """Give the exit code of a container that has exited beyond doubt."""
    state = body.get("State")
    if not isinstance(state, Mapping):
        return None
    code = state.get("ExitCode")
    if (
        state.get("Status") == "exited"
        and state.get("Running") is False
        and state.get("Pid") == 0
        and isinstance(code, int)
    ):
        return code
    return None
