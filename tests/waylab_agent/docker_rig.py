"""A real engine with simulated GPUs, and an agent whose jobs are its containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.waylab_agent.ledger_rig import LedgerRig, running_ledger
from tests.waylab_agent.rig import AgentProcess, Rig

from waylab_engine.container import Container
from waylab_engine.engine import Engine
from waylab_engine.errors import ContainerMissing
from waylab_engine.names import container_name
from waylab_ledger.values import Holder
from waylab_rig.rig import RunningEngine
from waylab_site.model import Image

LAB, BARE, NOTHING = "lab", "bare", "nothing"


@dataclass
class DockerRig:
    """A node with an engine, a board, and a catalogue of images."""

    ledger: LedgerRig
    node: RunningEngine
    engine: Engine

    @property
    def rig(self) -> Rig:
        """The tracking server and its user."""
        return self.ledger.rig

    def start_agent(self, **settings: str) -> AgentProcess:
        """Start the node's agent; jobs reach the server at the bridge's address."""
        url = f"http://{self.engine.gateway()}:{self.rig.server.port}"
        values = {
            "SLOTS": "1",
            "DEVICES": "auto",
            "ENGINE": self.node.address.url,
            "SITE_FILE": str(self.rig.folder / "board" / "site.json"),
            "API_URL": url,
            "WEB_URL": url,
            "FILES_URL": f"{url}/files",
            **settings,
        }
        return self.ledger.start_agent("n1", **values)

    def enqueue(self, code: str, gpus: int = 0, **fields: object) -> str:
        """Enqueue a script that asks for GPUs."""
        item = {"section": "Waylab", "name": "gpus", "value": str(gpus)}
        hyperparams = {"Waylab": {"gpus": item}}
        return self.rig.enqueue(code, hyperparams=hyperparams, **fields)

    def container(self, task: str) -> Container | None:
        """Give the container of a task, if there is one."""
        name = container_name(self.rig.queue, Holder.job(task))
        try:
            return self.engine.inspect(name)
        except ContainerMissing:
            return None

    def containers(self) -> list[str]:
        """Name all containers of the site."""
        return [entry["Names"][0] for entry in self.engine.find(self.rig.queue)]


@contextmanager
def running_docker(
    rig: Rig, node: RunningEngine, images: tuple[Image, ...]
) -> Iterator[DockerRig]:
    """Run a board and hand out an agent for a node whose engine has the images."""
    with (
        running_ledger(rig, images, **node.environment) as ledger,
        node.engine() as engine,
    ):
        docker = DockerRig(ledger, node, engine)
        try:
            yield docker
        finally:
            rig.stop_agents()
            for entry in engine.find(rig.queue):
                engine.remove(entry["Id"], force=True)


def image(name: str, reference: str) -> Image:
    """Give an entry of the catalogue."""
    return Image(name=name, title=name, reference=reference)


def notes(folder: Path) -> list[Path]:
    """Give what an agent's journal holds."""
    return list((folder / "agents/n1/jobs").iterdir())
