"""A real engine with simulated GPUs, and an agent whose jobs are its containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waylab_agent.ledger_rig import LedgerRig, running_ledger
from tests.waylab_agent.rig import AgentProcess, Rig

from waylab_engine.container import Container
from waylab_engine.engine import Engine
from waylab_engine.errors import ContainerMissing
from waylab_engine.names import container_name
from waylab_ledger.values import Holder
from waylab_rig import archives, devices
from waylab_rig.rig import REFERENCE, RunningEngine, start_engine
from waylab_site.model import Image

LAB, BARE, NOTHING = "lab", "bare", "nothing"
BARE_REFERENCE = "waylab/bare:1"
"""Debian's Python alone: no `clearml-agent`, no SDK."""
NOTHING_REFERENCE = "waylab/nothing:1"
"""Not even a Python."""


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
            "SITE_FILE": str(self.rig.home / "board" / "site.json"),
            "API_URL": url,
            "WEB_URL": url,
            "FILES_URL": f"{url}/files",
            **settings,
        }
        return self.ledger.start_agent("n1", None, **values)

    def enqueue(self, code: str, gpus: int = 0, **fields: Any) -> str:
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


CATALOGUE = (
    image(BARE, BARE_REFERENCE),
    image(LAB, REFERENCE),
    image(NOTHING, NOTHING_REFERENCE),
)


@contextmanager
def running_node(folder: Path) -> Iterator[RunningEngine]:
    """Run the engine of a node with two simulated GPUs, and with all images."""
    gpus = devices.of_node("n1", "RTX 4090", 2, 24)
    with start_engine("n1", gpus, folder / "engine", with_image=True) as node:
        with node.engine() as engine:
            _build(engine, BARE_REFERENCE, folder, BARE_DOCKERFILE)
            _build(engine, NOTHING_REFERENCE, folder, NOTHING_DOCKERFILE)
        yield node


BARE_DOCKERFILE = f"FROM {REFERENCE}\nENV PATH=/usr/local/bin:/usr/bin:/bin\n"
NOTHING_DOCKERFILE = "FROM scratch\nCOPY Dockerfile /\n"


def _build(engine: Engine, reference: str, folder: Path, text: str) -> None:
    context = folder / reference.replace("/", "-").replace(":", "-")
    context.mkdir()
    (context / "Dockerfile").write_text(text)
    archives.build(engine, context, reference)


def notes(folder: Path) -> list[Path]:
    """Give what an agent's journal holds."""
    return list((folder / "agents/n1/jobs").iterdir())
