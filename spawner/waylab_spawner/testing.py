"""A real JupyterHub with `WaylabSpawner` for tests: own process, proxy, state."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from waylab_site.certificates import trusted

T = TypeVar("T")

_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_CHECKOUT = Path(__file__).parents[2]
_CONFIG = """\
import json
from pathlib import Path

settings = json.loads(Path({settings!r}).read_text())
c = get_config()  # noqa: F821
for name, values in settings["traits"].items():
    for key, value in values.items():
        setattr(c[name], key, value)
c.JupyterHub.load_roles = settings["roles"]
labs = settings["traits"]["WaylabSpawner"]
if labs.get("board_url"):
    from waylab_spawner.presence import announce
    announce(labs["board_url"], Path(labs["board_token_file"]))
"""


class NotHere(RuntimeError):  # noqa: N818 - a state of the machine.
    """This machine lacks a program; the text says which."""


def proxy_program() -> str:
    """Give configurable-http-proxy.

    Raises:
        NotHere: it is not installed.
    """
    named = os.environ.get("WAYLAB_PROXY_COMMAND")
    beside = "hub/install/proxy/node_modules/.bin/configurable-http-proxy"
    for candidate in (named, shutil.which("configurable-http-proxy")):
        if candidate:
            return candidate
    if (_CHECKOUT / beside).exists():
        return str(_CHECKOUT / beside)
    msg = "configurable-http-proxy is not installed: run `make setup`"
    raise NotHere(msg)


class Hub:
    """A hub with a state folder of its own; `kill` and `start` as often as wanted.

    `traits` are the settings of `WaylabSpawner`. Any user signs in with any password.
    `token` is that of an admin service.
    """

    def __init__(self, root: Path, traits: Mapping[str, Any], **hub: Any) -> None:
        """Nothing runs before `start`."""
        self.root = root
        self.port, self.hub_port, api_port = free_port(), free_port(), free_port()
        self.token = secrets.token_hex(16)
        self._hub: subprocess.Popen[bytes] | None = None
        self._proxy: subprocess.Popen[bytes] | None = None
        self._api_port = api_port
        self._proxy_token = secrets.token_hex(16)
        self.address = str(hub.pop("address", "127.0.0.1"))
        self.services: list[dict[str, Any]] = hub.pop("services", [])
        self.roles: list[dict[str, Any]] = hub.pop("roles", [])
        self.traits = dict(traits)
        self.more = hub
        self._clients: list[httpx.Client] = []
        self.client = httpx.Client(
            base_url=f"{self.url}/hub/api",
            headers={"Authorization": f"token {self.token}"},
            timeout=60.0,
            trust_env=False,
            verify=trusted(),
        )

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """The hub's interface, not through the proxy."""
        return f"http://{self.address}:{self.hub_port}/hub/api"

    @property
    def log(self) -> str:
        """What the hub has written so far, without the requests of `ask`."""
        lines = (self.root / "hub.log").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if "(tester@" not in line)

    @property
    def proxy_log(self) -> str:
        """What the proxy has written so far."""
        return (self.root / "proxy.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the hub, and the proxy if it does not run.

        Raises:
            TimeoutError: it does not answer; the text is its log.
        """
        self._write_config()
        if self._proxy is None:
            self._start_proxy()
        with (self.root / "hub.log").open("ab") as log:
            self._hub = subprocess.Popen(  # noqa: S603 - our own command.
                [
                    sys.executable,
                    "-m",
                    "jupyterhub",
                    "-f",
                    str(self.root / "config.py"),
                ],
                cwd=self.root,
                env={
                    **os.environ,
                    "CONFIGPROXY_AUTH_TOKEN": self._proxy_token,
                    "JUPYTERHUB_CRYPT_KEY": "0" * 64,
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, _START_SECONDS, lambda: self.log[-4000:])

    @property
    def has_ended(self) -> bool:
        """Whether the hub was started and runs no more."""
        return self._hub is not None and self._hub.poll() is not None

    def kill(self) -> None:
        """End the hub without a chance to tidy up; proxy and labs go on."""
        _end(self._hub, signal.SIGKILL)
        self._hub = None

    def stop(self) -> None:
        """End hub and proxy for good; labs go on."""
        for client in (self.client, *self._clients):
            client.close()
        _end(self._hub, signal.SIGTERM)
        _end(self._proxy, signal.SIGTERM)
        self._hub = self._proxy = None

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Send a request to the hub's interface as an admin."""
        return self.client.request(method, path, json=body)

    def add_user(self, name: str) -> None:
        """Make a user."""
        self.ask("POST", f"/users/{name}").raise_for_status()

    def spawn(
        self, user: str, options: Mapping[str, Any] | None = None, server: str = ""
    ) -> httpx.Response:
        """Ask for a lab over REST; the answer may come before the lab is ready."""
        path = f"/users/{user}/servers/{server}"
        return self.ask("POST", path, {"user_options": dict(options or {})})

    def server(self, user: str, server: str = "") -> dict[str, Any] | None:
        """Give what the hub says of a lab; None if there is none."""
        servers = self.ask("GET", f"/users/{user}").raise_for_status().json()["servers"]
        found: dict[str, Any] | None = servers.get(server)
        return found

    def wait_ready(self, user: str, server: str = "", seconds: float = 90.0) -> None:
        """Wait until a lab is ready.

        Raises:
            TimeoutError: it is not in time; the text is the end of the hub's log.
        """
        wait_for(
            lambda: (self.server(user, server) or {}).get("ready"),
            seconds,
            lambda: self.log[-4000:],
        )

    def wait_gone(self, user: str, server: str = "", seconds: float = 90.0) -> None:
        """Wait until the hub has no such lab.

        Raises:
            TimeoutError: it has; the text is the end of its log.
        """
        wait_for(
            lambda: self.server(user, server) is None,
            seconds,
            lambda: self.log[-4000:],
        )

    def stop_lab(self, user: str, server: str = "") -> None:
        """Ask for a lab's end."""
        path = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        self.ask("DELETE", path).raise_for_status()

    def browser(self, user: str) -> httpx.Client:
        """Give a browser in which a user has signed in; `stop` closes it."""
        client = httpx.Client(
            base_url=self.url,
            follow_redirects=True,
            timeout=60.0,
            trust_env=False,
            verify=trusted(),
        )
        self._clients.append(client)
        client.get("/hub/login")
        form = {"username": user, "password": "x", "_xsrf": xsrf(client)}
        client.post("/hub/login", data=form).raise_for_status()
        return client

    def _answers(self) -> bool:
        if self._hub is not None and self._hub.poll() is not None:
            raise TimeoutError(self.log[-4000:])
        try:
            return self.client.get("/info").is_success
        except httpx.TransportError:
            return False

    def _start_proxy(self) -> None:
        arguments = ["--ip", "127.0.0.1", "--port", str(self.port)]
        arguments += ["--api-ip", "127.0.0.1", "--api-port", str(self._api_port)]
        hub = f"http://{self.address}:{self.hub_port}"
        arguments += ["--default-target", hub, "--error-target", f"{hub}/hub/error"]
        with (self.root / "proxy.log").open("ab") as log:
            self._proxy = subprocess.Popen(  # noqa: S603 - our own command.
                [proxy_program(), *arguments],
                env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": self._proxy_token},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _write_config(self) -> None:
        pages = str(_CHECKOUT / "templates" / "hub")
        hub = {
            "bind_url": self.url,
            "hub_bind_url": f"http://{self.address}:{self.hub_port}",
            "db_url": f"sqlite:///{self.root / 'hub.sqlite'}",
            "cookie_secret_file": str(self.root / "cookie_secret"),
            "authenticator_class": "dummy",
            "spawner_class": "waylab_spawner.spawner.WaylabSpawner",
            "cleanup_servers": False,
            "cleanup_proxy": False,
            "allow_named_servers": True,
            "template_paths": [pages],
            "template_vars": {"site_name": "Test", "tracking_path": "/", **_GPUS},
            "logo_file": str(Path(pages) / "logo.svg"),
            "tornado_settings": {"slow_spawn_timeout": 1.0},
            "services": [{"name": "tester", "api_token": self.token}, *self.services],
            **self.more,
        }
        traits = {
            "JupyterHub": hub,
            "Authenticator": {"allow_all": True, "admin_users": ["admin"]},
            "ConfigurableHTTPProxy": {
                "should_start": False,
                "api_url": f"http://127.0.0.1:{self._api_port}",
                "auth_token": self._proxy_token,
            },
            "WaylabSpawner": self.traits,
        }
        tester = {
            "name": "tester",
            "services": ["tester"],
            "scopes": [
                *("admin:users", "admin:servers", "admin:groups"),
                *("proxy", "read:hub"),
            ],
        }
        settings = {"traits": traits, "roles": [tester, *self.roles]}
        path = self.root / "settings.json"
        path.write_text(json.dumps(settings))
        text = _CONFIG.format(settings=str(path))
        (self.root / "config.py").write_text(text)


_GPUS = {"gpus_path": "/services/gpus/"}


@contextmanager
def running_hub(traits: Mapping[str, Any], **hub: Any) -> Iterator[Hub]:
    """Give a running hub; afterwards it has ended. Labs are the caller's to end.

    Raises:
        NotHere: this machine has no proxy.
    """
    proxy_program()
    root = Path(tempfile.mkdtemp(prefix="waylab-hub-"))
    running = Hub(root, traits, **hub)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(root, ignore_errors=True)


def asks_for_news(browser: httpx.Client, user: str) -> bool:
    """Tell whether JupyterLab asks a user about news: a lab of Waylab does not."""
    plugin = "@jupyterlab/apputils-extension:notification"
    schema = browser.get(f"/user/{user}/lab/api/settings/{plugin}").json()["schema"]
    return bool(schema["properties"]["fetchNews"]["default"] != "false")


def xsrf(client: httpx.Client) -> str:
    """Give the hub's token against forged forms."""
    found = [c for c in client.cookies.jar if c.name == "_xsrf" and c.path == "/hub/"]
    return (found[-1].value or "") if found else ""


def free_port() -> int:
    """Give a port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def wait_for(
    condition: Callable[[], T | None], seconds: float, explain: Callable[[], str]
) -> T:
    """Wait for something true and give it.

    Raises:
        TimeoutError: it is not true in time; the text is what `explain` gives.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            msg = f"Not within {seconds:g} s. {explain()}"
            raise TimeoutError(msg)
        time.sleep(_PAUSE_SECONDS)
    return found


def steps_of(events: str) -> list[dict[str, Any]]:
    """Read the events of a progress page."""
    return [json.loads(line) for line in re.findall(r"^data: (.*)$", events, re.M)]


def _end(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
