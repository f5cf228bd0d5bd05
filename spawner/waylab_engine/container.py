"""A container as the engine describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from waylab_engine.errors import EngineUnreachable


@dataclass(frozen=True)
class Container:
    """One container at one moment.

    `status` is the engine's word (`created`, `running`, `exited`, …); `exit_code`
    counts only once it has exited. `ports` gives, for each published port, the
    address and port of the node.
    """

    id: str
    name: str
    status: str
    image: str = ""
    exit_code: int | None = None
    is_out_of_memory: bool = False
    error: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    started_at: str = ""
    finished_at: str = ""

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.status in {"running", "paused", "restarting"}


def parse(answer: object) -> Container:
    """Read the answer to `GET /containers/{id}/json`.

    Raises:
        EngineUnreachable: it is not an engine's answer.
    """
    try:
        return _parse(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = "What answers is not a container engine: its container has no state."
        raise EngineUnreachable(msg) from error


def _parse(answer: object) -> Container:
    if not isinstance(answer, Mapping):
        raise TypeError
    state, config = answer["State"], answer["Config"]
    status = str(state["Status"])
    return Container(
        id=str(answer["Id"]),
        name=str(answer["Name"]).removeprefix("/"),
        status=status,
        image=str(config.get("Image") or ""),
        exit_code=int(state["ExitCode"]) if status == "exited" else None,
        is_out_of_memory=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        labels=dict(config.get("Labels") or {}),
        ports=dict(_ports(answer.get("NetworkSettings") or {})),
        started_at=str(state.get("StartedAt") or ""),
        finished_at=str(state.get("FinishedAt") or ""),
    )


def _ports(network: Mapping[str, object]) -> list[tuple[int, tuple[str, int]]]:
    published = network.get("Ports")
    if not isinstance(published, Mapping):
        return []
    found = []
    for port, bindings in published.items():
        if bindings and str(port).endswith("/tcp"):
            first = bindings[0]
            where = str(first["HostIp"]), int(first["HostPort"])
            found.append((int(str(port).partition("/")[0]), where))
    return found
