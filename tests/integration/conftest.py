"""The whole of Waylab, started as a user starts it, and a real browser."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.chromium import running_chromium

from waylab_hub.testing import open_folder, remove_accounts
from waylab_spawner.testing import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a password for tests"  # noqa: S105 - of a throw-away site


@dataclass
class RunningSite:
    """A Waylab that a test started, and what it printed."""

    process: subprocess.Popen[str]
    home: Path
    port: int
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        """Collect the lines as they come, until the end of the process."""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def printed(self) -> str:
        """All lines so far."""
        return "".join(self.lines)

    def read(self) -> None:
        """Collect the lines, and close the pipe behind the last one."""
        if self.process.stdout is not None:
            with self.process.stdout as lines:
                self.lines.extend(lines)

    def cli(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one verb of the CLI on this site."""
        return subprocess.run(
            [ROOT / ".venv/bin/waylab", *words],
            env={**os.environ, "WAYLAB_HOME": str(self.home)},
            text=True,
            capture_output=True,
            check=check,
            timeout=280,
        )

    def wait_for_line(self, text: str, *, seconds: float) -> str:
        """Wait until a line with `text` was printed.

        Raises:
            TimeoutError: with all that was printed until then.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if text in line:
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        msg = f"no {text!r} (exit {self.process.poll()}) in:\n{self.printed}"
        raise TimeoutError(msg)

    def stop(self) -> int:
        """Press Ctrl-C and wait for the end."""
        if self.process.poll() is None:
            # A terminal sends it to the whole foreground group, `make` included.
            os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(timeout=60)
        self.reader.join(timeout=60)
        return status

    def left_over(self) -> list[str]:
        """List the processes that still work with this site's state."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # It ended meanwhile.
                words = (folder / "cmdline").read_bytes()
                if (folder / "environ").read_bytes().find(bytes(self.home)) >= 0:
                    found.append(words.replace(b"\0", b" ").decode())
        return found


StartSite = Callable[..., RunningSite]


@pytest.fixture(scope="module")
def start_site(public_folder: Path) -> Iterator[StartSite]:
    """Starts Waylabs that end with the module's tests, before their folder goes."""
    sites: list[RunningSite] = []

    def start(
        command: Sequence[str | Path], home: Path, environ: Mapping[str, str]
    ) -> RunningSite:
        port = free_port()
        process = subprocess.Popen(
            command,
            env={**environ, "WAYLAB_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Our Ctrl-C goes to it alone.
        )
        site = RunningSite(process, home, port)
        sites.append(site)
        return site

    yield start
    for site in sites:
        site.stop()


@pytest.fixture(scope="module")
def public_folder() -> Iterator[Path]:
    """A temporary folder that lab accounts can enter (pytest's own is 0700)."""
    with open_folder() as folder:
        yield folder
        for accounts_home in folder.rglob("homes"):
            remove_accounts(accounts_home)


@pytest.fixture(scope="module")
def site(start_site: StartSite, public_folder: Path) -> RunningSite:
    """`waylab up` of this checkout."""
    home = public_folder / "state"
    running = start_site(
        [ROOT / ".venv/bin/waylab", "up"],
        home,
        {
            **os.environ,
            "WAYLAB_HOME": str(home),
            "WAYLAB_ADMIN_PASSWORD": PASSWORD,
        },
    )
    running.wait_for_line("Waylab is ready: ", seconds=120)
    return running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium of the machine."""
    with running_chromium() as chromium:
        yield chromium
