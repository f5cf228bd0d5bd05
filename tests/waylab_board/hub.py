"""A real JupyterHub with the board as its service; its labs do nothing."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from waylab_board.testing import RunningBoard, free_port, running_board
from waylab_hub.places import proxy_command
from waylab_site.certificates import trusted
from waylab_site.model import Site

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "config.py"
_CONFIG = """
import json, os
from pathlib import Path
from jupyterhub.spawner import SimpleLocalProcessSpawner

told = json.loads(Path(__file__).with_name("told.json").read_text())
folder = Path(__file__).parent

class Lab(SimpleLocalProcessSpawner):
    async def start(self):
        line = {"user": self.user.name, "server": self.name, **self.user_options}
        with (folder / "starts.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\\n")
        return await super().start()

hub = c.JupyterHub
hub.bind_url = told["url"]
hub.hub_bind_url = told["hub_url"]
hub.db_url = f"sqlite:///{folder}/hub.sqlite"
hub.cookie_secret_file = str(folder / "cookie")
hub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"root"}
hub.spawner_class = Lab
c.Spawner.cmd = [told["python"], str(folder / "lab.py")]
c.ConfigurableHTTPProxy.command = told["proxy"]
c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")
c.ConfigurableHTTPProxy.api_url = told["proxy_url"]
hub.template_paths = [told["pages"]]
hub.template_vars = {"site_name": "Waylab", "shared_notice": "", "tracking_path": "/",
                     "gpus_path": "/services/gpus/"}
hub.services = [{
    "name": "gpus",
    "url": told["board_url"],
    "api_token": told["token"],
    "oauth_client_id": "service-gpus",
    "oauth_redirect_uri": "/services/gpus/oauth_callback",
    "oauth_no_confirm": True,
    "oauth_client_allowed_scopes": ["access:services!service=gpus"],
}]
hub.load_roles = [
    {"name": "user", "scopes": ["self", "access:services!service=gpus"]},
    {"name": "gpus", "services": ["gpus"],
     "scopes": ["servers", "read:users", "list:users"]},
]
hub.load_groups = {"vision-team": {"users": ["ada"]}}
"""
_LAB = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

class Lab(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"lab")
    def log_message(self, *_):
        pass

port = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).port
HTTPServer(("127.0.0.1", port), Lab).serve_forever()
"""


class RunningHub:
    """A running hub, reached through its proxy."""

    def __init__(self, folder: Path, board_port: int) -> None:
        """Write the configuration; nothing runs before `start`."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{free_port()}"
        hub_url = f"http://127.0.0.1:{free_port()}"
        self.api_url = f"{hub_url}/hub/api"
        self.token = secrets.token_hex(32)
        told = {
            "url": self.url,
            "hub_url": hub_url,
            "board_url": f"http://127.0.0.1:{board_port}",
            "proxy_url": f"http://127.0.0.1:{free_port()}",
            "proxy": list(proxy_command(None)),
            "python": sys.executable,
            "pages": str(ROOT / "templates" / "hub"),
            "token": self.token,
        }
        (folder / "told.json").write_text(json.dumps(told))
        (folder / CONFIG).write_text(_CONFIG)
        (folder / "lab.py").write_text(_LAB)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text("utf-8", errors="replace")

    def start(self) -> None:
        with (self.folder / "hub.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(self.folder / CONFIG)],
                cwd=self.folder,
                env={**os.environ, "JUPYTERHUB_CRYPT_KEY": ""},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                answer = httpx.get(
                    f"{self.url}/hub/health", trust_env=False, verify=trusted()
                )
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.is_success:
                return
            time.sleep(0.1)
        msg = f"The hub did not start:\n{self.log}"
        raise RuntimeError(msg)

    def stop(self) -> None:
        """End the hub with its proxy and labs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def call(self, method: str, path: str, token: str, body: object = None) -> Any:
        answer = httpx.request(
            method,
            self.api_url + path,
            json=body,
            headers={"Authorization": f"token {token}"},
            timeout=30,
            trust_env=False,
            verify=trusted(),
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    @contextmanager
    def browser(self, name: str) -> Iterator[httpx.Client]:
        """Give a client that is signed in at the hub as somebody."""
        with httpx.Client(
            base_url=self.url,
            follow_redirects=True,
            timeout=30,
            trust_env=False,
            verify=trusted(),
        ) as client:
            client.get("/hub/login")
            form = {"username": name, "password": "x", "_xsrf": _xsrf(client)}
            client.post("/hub/login?next=/hub/home", data=form).raise_for_status()
            yield client

    def know(self, name: str) -> None:
        """Make the hub know somebody, as signing in does."""
        with self.browser(name):
            return

    def user_token(self, name: str, scopes: list[str] | None = None) -> str:
        """Make a token as a user does on the hub's page."""
        with self.browser(name) as client:
            answer = client.post(
                f"/hub/api/users/{name}/tokens",
                json={"note": "test", **({"scopes": scopes} if scopes else {})},
                headers={"X-XSRFToken": _xsrf(client), "Referer": f"{self.url}/hub/"},
            )
            answer.raise_for_status()
            return str(answer.json()["token"])

    def starts(self) -> list[dict[str, Any]]:
        """List the labs that were started, with their options."""
        path = self.folder / "starts.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]


def _xsrf(client: httpx.Client) -> str:
    found = [
        cookie.value
        for cookie in client.cookies.jar
        if cookie.name == "_xsrf" and cookie.path == "/hub/"
    ]
    return found[-1] or "" if found else ""


@contextmanager
def running_hub_and_board(
    folder: Path, site: Site, **settings: str
) -> Iterator[tuple[RunningHub, RunningBoard]]:
    """Run a hub and its board."""
    port = free_port()
    hub = RunningHub(folder / "hub", port)
    state = folder / "board"
    state.mkdir(parents=True)
    token_file = state / "hub-token"
    token_file.write_text(hub.token)
    hub.start()
    try:
        with running_board(
            state,
            site,
            port=str(port),
            hub_api_url=hub.api_url,
            oauth_client_id="service-gpus",
            oauth_secret_file=str(token_file),
            public_url=f"{hub.url}/services/gpus",
            templates=str(ROOT / "templates" / "hub"),
            **settings,
        ) as board:
            yield hub, board
    finally:
        hub.stop()
