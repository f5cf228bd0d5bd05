"""A whole running Waylab for tests: real processes, started as an operator does."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from waylab_site.certificates import trusted
from waylab_spawner.testing import free_port, wait_for

READY = re.compile(r"^Waylab is ready: (http://127\.0\.0\.1:\d+)$", re.MULTILINE)
_START_SECONDS = 120.0
_STOP_SECONDS = 90.0


class Waylab:
    """`waylab up` with a state folder of its own; one object, many starts."""

    def __init__(
        self,
        root: Path,
        port: int,
        environment: Mapping[str, str] | None = None,
        uid: int | None = None,
    ) -> None:
        """Nothing runs before `start`; `uid` runs it as another account."""
        self.root = root
        self.port = port
        self.uid = uid
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("WAYLAB_")},
            **_proxy(),
            **(environment or {}),
            "WAYLAB_HOME": str(root),
            "WAYLAB_PORT": str(port),
            **({"HOME": str(root.parent)} if uid is not None else {}),
        }
        self.output = root.with_name(f"{root.name}.out")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        if self._process is None:
            msg = "Waylab was not started."
            raise RuntimeError(msg)
        return self._process.pid

    def start(self) -> str:
        """Start it, wait until it is ready, and give what it printed.

        Raises:
            RuntimeError: it ended, or is not ready in time; the text is its output.
        """
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command.
                [_command(), "up"],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.uid,
                cwd=self.root.parent,
            )
        process = self._process
        wait_for(
            lambda: READY.search(self.printed()) or process.poll() is not None,
            _START_SECONDS,
            self.printed,
        )
        if process.poll() is not None:
            raise RuntimeError(self.printed())
        return self.printed()

    def printed(self) -> str:
        """Give what it printed since its last start."""
        return self.output.read_text(encoding="utf-8")

    def signal(self, number: signal.Signals) -> int:
        """Send it a signal and give its exit status once it has ended."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(number)
        status = self._process.wait(_STOP_SECONDS)
        self._process = None
        return status

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run the command `waylab` and give what it printed.

        Raises:
            RuntimeError: it failed; the text is its output.
        """
        done = subprocess.run(  # noqa: S603 - our own command.
            [_command(), *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
            user=self.uid,
            cwd=self.root.parent,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run the command with `--json` and give the answer."""
        return json.loads(self.run(*arguments, "--json"))

    def add_user(self, name: str, password: str) -> None:
        """Add a user as an operator does."""
        self.run("users", "add", name, "--password-stdin", stdin=password)

    def program(self, name: str) -> dict[str, Any]:
        """Give the status of a program."""
        programs: list[dict[str, Any]] = self.json("status")["programs"]
        return next(program for program in programs if program["name"] == name)

    def log(self, name: str) -> str:
        """Give the log of a program."""
        path = self.root / "logs" / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace")


class Reachable(Protocol):
    """A Waylab with a public address."""

    @property
    def url(self) -> str:
        """The public address."""


class Browser:
    """What a user's browser does, without one: cookies, forms, redirects."""

    def __init__(self, waylab: Reachable) -> None:
        """Nothing is sent yet."""
        self.client = httpx.Client(
            base_url=waylab.url,
            follow_redirects=True,
            timeout=30.0,
            trust_env=False,
            verify=trusted(),
        )

    def sign_in(self, name: str, password: str) -> httpx.Response:
        """Send the form of the sign-in page."""
        self.client.get("/hub/login")
        form = {"username": name, "password": password, "_xsrf": self.xsrf}
        return self.client.post("/hub/login", data=form)

    @property
    def xsrf(self) -> str:
        """The hub's token against forged forms."""
        found = [
            cookie.value
            for cookie in self.client.cookies.jar
            if cookie.name == "_xsrf" and cookie.path == "/hub/"
        ]
        return found[-1] or "" if found else ""

    def start_lab(self, name: str, profile: str = "") -> httpx.Response:
        """Send the spawn form and give the page that it ends on."""
        self.client.get("/hub/spawn")
        form = {"profile": profile, "_xsrf": self.xsrf}
        self.client.post(f"/hub/spawn/{name}", data=form)
        return self.lab(name)

    def lab(self, name: str) -> httpx.Response:
        """Give the lab's page, or the hub's page about why there is none."""

        def settled() -> httpx.Response | None:
            page = self.client.get(f"/user/{name}/lab")
            return None if "This page goes there by itself" in page.text else page

        return wait_for(settled, _START_SECONDS, lambda: f"{name}'s lab is pending.")

    def stop_lab(self, name: str) -> None:
        """Stop the lab and wait until it is gone."""
        path = f"/hub/api/users/{name}"
        headers = {"X-XSRFToken": self.xsrf}
        self.client.delete(f"{path}/server", headers=headers).raise_for_status()
        wait_for(
            lambda: not self.client.get(path).json()["servers"],
            _STOP_SECONDS,
            lambda: f"The lab of {name} does not end.",
        )

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


@contextmanager
def running_waylab(
    environment: Mapping[str, str] | None = None, uid: int | None = None
) -> Iterator[Waylab]:
    """Give a running Waylab; afterwards it has ended and nothing is left of it."""
    with open_folder() as folder:
        if uid is not None:
            os.chown(folder, uid, uid)
        waylab = Waylab(folder / "state", free_port(), environment, uid)
        try:
            waylab.start()
            yield waylab
        finally:
            waylab.signal(signal.SIGTERM)
            remove_accounts(waylab.root / "homes")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a temporary folder that every account can reach (pytest's are closed)."""
    folder = Path(tempfile.mkdtemp(prefix="waylab-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_accounts(homes: Path) -> None:
    """Remove the system accounts that a site made for its users."""
    for entry in pwd.getpwall():
        if Path(entry.pw_dir).parent == homes and entry.pw_name.startswith("waylab-"):
            subprocess.run(  # noqa: S603 - the name is of the account database.
                ["/usr/sbin/userdel", entry.pw_name], check=True, capture_output=True
            )


def _command() -> str:
    return str(Path(sys.executable).with_name("waylab"))


def _proxy() -> dict[str, str]:
    named = os.environ.get("WAYLAB_PROXY_COMMAND")
    return {"WAYLAB_PROXY_COMMAND": named} if named else {}
