"""A small site for tests: real engines, a real board, a real hub, real tracking."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.waylab_spawner.ground import running_ground

from waylab_board.testing import RunningBoard
from waylab_engine.engine import Engine
from waylab_engine.names import container_name
from waylab_ledger.values import Holder, NodeState
from waylab_rig.rig import REFERENCE, RunningEngine, of_node, start_engine
from waylab_site.model import Site
from waylab_spawner.testing import Hub, wait_for

SITE_ID = "spawntest"
NODES = {"vision": ("RTX 4090", 2, 24), "nlp": ("A100", 4, 80)}
STUBBORN = "waylab/stubborn:1"
_STUBBORN_LAB = """\
#!/opt/waylab/bin/python
# A lab of next to no weight, that does not want to end.
import http.server, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Lab(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("", 8888), Lab).serve_forever()
"""
SITE: dict[str, Any] = {
    "nodes": [
        {
            "name": name,
            "engine": "simulated",
            "devices": [{"model": model, "count": count, "memory_gib": memory}],
        }
        for name, (model, count, memory) in NODES.items()
    ],
    "queues": [{"name": "default"}],
    "images": [
        {"name": "lab", "title": "Lab", "reference": REFERENCE},
        {"name": "stubborn", "title": "Stubborn", "reference": STUBBORN},
        {"name": "gone", "title": "Gone", "reference": "127.0.0.1:9/gone:1"},
    ],
    "profiles": [
        {"name": "cpu", "title": "No GPU", "nodes": ["vision"]},
        {"name": "cpu-nlp", "title": "No GPU, nlp", "nodes": ["nlp"]},
        {
            "name": "stubborn",
            "title": "Stubborn",
            "nodes": ["vision"],
            "images": ["stubborn"],
            "memory_gib": 0.1,
        },
        {"name": "one", "title": "One RTX", "nodes": ["vision"], "gpus": 1},
        {"name": "two", "title": "Two RTX", "nodes": ["vision"], "gpus": 2},
        {"name": "a100", "title": "A100", "nodes": ["nlp"], "gpus": 1, "max_gpus": 4},
    ],
}


class Agent:
    """A node's real agent, which reports often; it serves no queue."""

    def __init__(
        self,
        root: Path,
        board: RunningBoard,
        node: str,
        engine: RunningEngine,
        tracking: str,
    ) -> None:
        """Start it, and wait until the board has heard of the node."""
        state = root / f"agent-{node}"
        state.mkdir()
        token = state / "token"
        token.write_text(board.node_token(node))
        values = {
            "NODE": node,
            "SLOTS": "0",
            "DEVICES": "auto",
            "ENGINE": engine.address.url,
            "SITE_FILE": str(board.state_folder / "site.json"),
            "SITE_ID": SITE_ID,
            "API_URL": tracking,
            "WEB_URL": tracking,
            "FILES_URL": tracking,
            "KEY_FILE": str(root / f"agent-{node}.json"),
            "STATE": str(state),
            "HOMES": str(root),
            "BOARD_URL": board.url,
            "BOARD_TOKEN_FILE": str(token),
            "BOARD_SECONDS": "0.5",
        }
        settings = {f"WAYLAB_AGENT_{name}": value for name, value in values.items()}
        self.log = state / "agent.log"
        self._environment = {**engine.environment, **settings}
        self.start()
        board.until(
            lambda state: any(
                one.name == node and one.state is NodeState.UP for one in state.nodes
            ),
            30,
        )

    def start(self, **environment: str) -> None:
        """Start its process, with these variables too."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "waylab_agent"],
                env={"PATH": os.environ["PATH"], **self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def has_ended(self) -> bool:
        """Whether its process runs no more."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


class DockerSite:
    """The running parts, and what tests ask of them."""

    def __init__(
        self,
        hub: Hub,
        board: RunningBoard,
        engines: dict[str, RunningEngine],
        agents: dict[str, Agent],
    ) -> None:
        """Everything runs already."""
        self.hub = hub
        self.board = board
        self.engines = engines
        self.agents = agents

    def engine(self, node: str) -> Engine:
        """Give a client of a node's engine."""
        return self.engines[node].engine()

    def container(self, node: str, user: str, server: str = "") -> dict[str, Any]:
        """Give the engine's whole description of a lab's container."""
        name = container_name(SITE_ID, Holder.lab(user, server))
        with self.engine(node) as engine:
            described: dict[str, Any] = engine.connection.run(
                lambda client: client.inspect_container(name)
            )
        return described

    def containers(self, node: str) -> list[str]:
        """Give the states of all labs' containers of a node."""
        with self.engine(node) as engine:
            return [str(one["State"]) for one in engine.find(SITE_ID)]

    def run_in(self, node: str, user: str, *command: str) -> str:
        """Run a command in a lab's container and give what it prints."""
        name = self.container(node, user)["Id"]
        with self.engine(node) as engine:

            def work(client: Any) -> bytes:
                made = client.exec_create(name, list(command))
                output: bytes = client.exec_start(made["Id"])
                return output

            return engine.connection.run(work, 30.0).decode(errors="replace")

    def shell(self, node: str, user: str, text: str) -> str:
        """Run a line of shell in a lab's container and give what it prints."""
        return self.run_in(node, user, "sh", "-c", text)

    def held(self) -> dict[str, str]:
        """Give the state of each holder's lease."""
        return {lease.holder: str(lease.state) for lease in self.board.state().leases}

    @contextmanager
    def changed(self, **traits: Any) -> Iterator[None]:
        """Run the hub with other settings for a while."""
        before = self.hub.traits
        self.hub.kill()
        self.hub.traits = {**before, **traits}
        self.hub.start()
        try:
            yield
        finally:
            self.clear()
            self.hub.kill()
            self.hub.traits = before
            self.hub.start()

    def make_stubborn_image(self) -> None:
        """Have the image of labs that ignore SIGTERM on the node vision."""
        self.make_lab_image(STUBBORN, _STUBBORN_LAB)

    def make_lab_image(self, reference: str, program: str) -> None:
        """Have an image whose lab is a script, on the node vision."""
        packed = io.BytesIO()
        texts = {
            "lab": program,
            "Dockerfile": f"FROM {REFERENCE}\n"
            "COPY lab /opt/waylab/bin/jupyterhub-singleuser\n",
        }
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, text in texts.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(text), 0o755
                archive.addfile(entry, io.BytesIO(text.encode()))

        def build(client: Any) -> None:
            packed.seek(0)
            for event in client.build(
                fileobj=packed, custom_context=True, tag=reference, decode=True
            ):
                if "error" in event:
                    raise RuntimeError(event["error"])

        with self.engine("vision") as engine:
            engine.connection.run(build, 60.0)

    def clear(self) -> None:
        """End all labs, and wait until nothing is held or waited for."""
        for user in self.hub.ask("GET", "/users").json():
            for server in user["servers"]:
                self.hub.stop_lab(user["name"], server)
                self.hub.wait_gone(user["name"], server)
        for ticket in self.board.state().line:
            self.board.call("DELETE", f"/tickets/{ticket.id}")
        self.board.until(lambda state: not state.leases, 60)

    def agree(self) -> None:
        """Wait until the audit finds no difference between ledger, hub and engines."""

        def differences() -> list[str]:
            found: list[str] = self.board.call("GET", "/audit").json()
            return found

        wait_for(lambda: not differences(), 30, lambda: str(differences()))

    def user(self, name: str) -> str:
        """Make a user of that name, once."""
        if not self.hub.ask("GET", f"/users/{name}").is_success:
            self.hub.add_user(name)
        return name


@contextmanager
def running_site(
    root: Path, more_images: Sequence[dict[str, str]] = (), **traits: Any
) -> Iterator[DockerSite]:
    """Run a site, with these images too; its labs end with its engines.

    Raises:
        RigError: this machine cannot; the text says what is missing.
    """
    site = Site.model_validate({**SITE, "images": [*SITE["images"], *more_images]})
    with ExitStack() as stack:
        engines = {
            name: stack.enter_context(
                start_engine(
                    name, of_node(name, *NODES[name]), root / name, with_image=True
                )
            )
            for name in NODES
        }
        with engines["vision"].engine() as client:
            address = client.gateway()
        (root / "hub").mkdir()
        hub = Hub(root / "hub", {}, address=address)
        board = stack.enter_context(running_ground(root, site, hub))
        hub.traits = {
            **hub.traits,
            "site_id": SITE_ID,
            "places": [_place(name, engines[name]) for name in NODES],
            "homes": str(root),
            "lab_logs": str(root),
            "start_timeout": 90,
            **traits,
        }
        stack.callback(hub.stop)
        hub.start()
        tracking = str(hub.traits["tracking_api_url"])
        agents = {}
        for name, running in engines.items():
            agents[name] = Agent(root, board, name, running, tracking)
            stack.callback(agents[name].stop)
        yield DockerSite(hub, board, engines, agents)


def _place(name: str, engine: RunningEngine) -> dict[str, Any]:
    return {
        "node": name,
        "kind": "engine",
        "engine_url": engine.address.url,
        "host": engine.address.host,
        "simulated": True,
    }
