"""A stock JupyterHub with stock spawners and stock labs, our versions of all."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.benchmarks.measure import wait_for

from waylab_hub.places import proxy_command
from waylab_spawner.testing import free_port

CONFIGURATION = """\
import json, os
given = json.loads(os.environ["BENCH"])
c.JupyterHub.bind_url = given["url"]
c.JupyterHub.hub_bind_url = given["hub_url"]
c.ConfigurableHTTPProxy.command = given["proxy"]
c.ConfigurableHTTPProxy.api_url = given["proxy_api_url"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Spawner.default_url = "/lab"
# Our own server extension is installed in this environment, but is not stock.
c.Spawner.args = ["--allow-root", "--ServerApp.jpserver_extensions=waylab_lab=False"]
c.JupyterHub.services = [{"name": "bench", "api_token": given["token"]}]
c.JupyterHub.load_roles = [{
    "name": "bench", "services": ["bench"],
    "scopes": ["admin:users", "admin:servers"],
}]
"""
PROCESSES = """\
c.JupyterHub.spawner_class = "jupyterhub.spawner.SimpleLocalProcessSpawner"
c.SimpleLocalProcessSpawner.home_dir_template = given["homes"] + "/{username}"
c.Spawner.cmd = [given["lab"]]
c.Spawner.environment = {
    "PYTHONPATH": lambda spawner: given["iri"] if spawner.user.name == "iri" else ""
}
"""
CONTAINERS = """\
import docker
from dockerspawner import DockerSpawner
clients = {}
class ByUser(DockerSpawner):
    def _image_default(self):
        return given["images"][self.user.name[:3]]
    def _host_ip_default(self):
        return self.own_engine[1]
    @property
    def own_engine(self):
        return given["engines"].get(self.user.name[:3], given["engine"])
    @property
    def client(self):
        # As its own, which is one for all, but for each engine.
        url = self.own_engine[0]
        if url not in clients:
            clients[url] = docker.APIClient(base_url=url, version="auto")
        return clients[url]
c.JupyterHub.spawner_class = ByUser
c.Spawner.cmd = ["jupyterhub-singleuser"]
c.DockerSpawner.remove = True
c.DockerSpawner.pull_policy = "skip"
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300
"""


@dataclass
class StockHub:
    """The hub as a program; `spawner` configures its spawner by what `given` has."""

    folder: Path
    spawner: str = PROCESSES
    given: Mapping[str, object] = field(default_factory=dict)
    address: str = "127.0.0.1"
    """Where labs reach the hub."""
    url: str = ""
    token: str = ""

    @contextmanager
    def running(self) -> Iterator[httpx.Client]:
        """Run it from its start to ready; give a client of its API."""
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "jupyterhub_config.py"
        config.write_text(CONFIGURATION + self.spawner)
        self.url = self.url or f"http://127.0.0.1:{free_port()}"
        self.token = self.token or secrets.token_hex(16)
        proxy = proxy_command(None)
        given = {
            "url": self.url,
            "hub_url": f"http://{self.address}:{free_port()}",
            "proxy_api_url": f"http://127.0.0.1:{free_port()}",
            "proxy": [str(part) for part in proxy],
            "homes": str(self.folder / "homes"),
            "lab": str(Path(sys.executable).with_name("jupyterhub-singleuser")),
            "token": self.token,
            **self.given,
        }
        log = self.folder / "hub.log"
        bin_folder = Path(sys.executable).parent
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(bin_folder / "jupyterhub"), "-f", str(config)],
                env={
                    "PATH": f"{bin_folder}:{os.environ['PATH']}",
                    "HOME": str(self.folder),
                    "LANG": "C.UTF-8",
                    "BENCH": json.dumps(given),
                },
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"token {self.token}"},
            trust_env=False,
            timeout=60,
        )
        try:
            wait_for(lambda: _answers(client, process, log), "the stock hub", 60)
            yield client
        finally:
            client.close()
            process.terminate()
            process.wait(60)


def _answers(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(log.read_text("utf-8")[-3000:])
    try:
        return client.get("/hub/api/users").is_success
    except httpx.TransportError:
        return False
