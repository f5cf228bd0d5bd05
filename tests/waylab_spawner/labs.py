"""Labs that do what a test says, and container labs of engines that lie."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.waylab_engine.lying import CONTAINER, ID

from waylab_engine.address import EngineAddress
from waylab_engine.engine import Engine
from waylab_ledger.values import Proof, ProofKind
from waylab_spawner.docker_lab import DockerLab
from waylab_spawner.offers import NodePlace, PlaceKind
from waylab_spawner.order import Ended, Look, Order, Unknown
from waylab_spawner.steps import Steps
from waylab_spawner.surroundings import Surroundings

EXITED = Ended(Proof(ProofKind.EXITED, "hub", engine_id="engine-of-vision"))
SITE_ID = "labs"


def place(node: str, url: str) -> NodePlace:
    return NodePlace(node=node, kind=PlaceKind.ENGINE, engine_url=url, host="127.0.0.1")


def docker_lab(
    address: EngineAddress, *, knows: bool = True, timeout_seconds: float = 0.5
) -> DockerLab:
    """Make a container lab as the hub does after a restart."""
    engine = Engine(
        address, timeout_seconds=timeout_seconds, slow_seconds=timeout_seconds
    )
    user = SimpleNamespace(name="ann", url="/user/ann/", groups=[])
    lab = DockerLab(
        engine,
        place("vision", address.url),
        Surroundings(SITE_ID),
        Steps(),
        user=user,
        hub=None,
        user_options={},
    )
    if knows:
        lab.load_state(
            {"object_id": CONTAINER, "object_name": "waylab-x", "engine_id": ID}
        )
    return lab


def close(lab: DockerLab) -> None:
    """Let go of the lab's engine."""
    lab._engine.close()


class ScriptedLab:
    """A lab whose end is told by a test, one answer after the other."""

    def __init__(self, *ends: Look) -> None:
        self.ends = list(ends)
        self.graces: list[float] = []
        self.cleared = 0

    async def prepare(self, order: Order) -> None:
        del order

    async def start(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    async def look(self) -> Look:
        return Unknown("nobody looked")

    async def end(self, grace_seconds: float) -> Look:
        self.graces.append(grace_seconds)
        return self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]

    async def clear_away(self) -> bool:
        self.cleared += 1
        return True

    async def log_tail(self) -> str:
        return ""

    async def address(self) -> tuple[str, int] | None:
        return None

    async def find(self) -> str | None:
        return None

    def identity(self) -> tuple[str | None, str | None]:
        return ("engine-of-vision", "c1")

    def get_state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        del state
