"""The stock `clearml-agent daemon`, in virtual environment mode, as its manual says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from waylab_tracking.testing import Server

ROOT = Path(__file__).resolve().parents[2]
# What the runner imports, as a user of the stock agent would list it for a task.
REQUIREMENTS = "\n".join(
    f"{name}=={version(name)}"
    for name in (
        "clearml",
        "httpx",
        "ipykernel",
        "nbclient",
        "nbconvert",
        "nbformat",
        "papermill",
        "platformdirs",
        "pydantic",
        "typer",
    )
)
DESCRIPTION = (
    f"clearml-agent {version('clearml-agent')} `daemon --cpu-only --foreground`, "
    "virtual environment mode, `agent.venvs_cache.path` set and filled by an "
    "unmeasured first run; the task lists the runner's dependencies as pinned pip "
    "requirements; our own source comes by PYTHONPATH; all other settings are the "
    "agent's defaults"
)


@contextmanager
def running_daemon(
    folder: Path,
    server: Server,
    queue: str,
    switches: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """Run a daemon that serves a queue; give its log. Switches are variables."""
    name = f"stock-{queue}"
    home = folder / name
    home.mkdir()
    configuration = home / "clearml.conf"
    configuration.touch(0o600)
    configuration.write_text(json.dumps(_configuration(folder, home, server, name)))
    log = home / "daemon.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("clearml-agent")),
                *("--config-file", str(configuration), "daemon"),
                *("--queue", queue, "--cpu-only", "--foreground"),
            ],
            env=_environment(home, configuration, server, switches or {}),
            cwd=home,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _configuration(
    folder: Path, home: Path, server: Server, name: str
) -> dict[str, object]:
    access, secret = server.system
    return {
        "api": {
            "api_server": server.url,
            "web_server": server.url,
            "files_server": server.files_url,
            "credentials": {"access_key": access, "secret_key": secret},
        },
        "agent": {
            "worker_id": name,
            "venvs_dir": str(home / "venvs-builds"),
            "venvs_cache": {"path": str(folder / "venvs-cache"), "max_entries": 10},
            "pip_download_cache": {"path": str(folder / "pip-download-cache")},
            "vcs_cache": {"path": str(folder / "vcs-cache")},
        },
    }


def _environment(
    home: Path, configuration: Path, server: Server, switches: Mapping[str, str]
) -> dict[str, str]:
    access, secret = server.system
    # How pip reaches its index on this machine, wherever HOME is.
    pip = {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
    own = Path.home() / ".config" / "pip" / "pip.conf"
    if own.exists():
        pip.setdefault("PIP_CONFIG_FILE", str(own))
    sources = (ROOT / "extensions/clearml", ROOT / "extensions/runner")
    return {
        **pip,
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(map(str, sources)),
        "CLEARML_CONFIG_FILE": str(configuration),
        "CLEARML_API_HOST": server.url,
        "CLEARML_WEB_HOST": server.url,
        "CLEARML_FILES_HOST": server.files_url,
        "CLEARML_API_ACCESS_KEY": access,
        "CLEARML_API_SECRET_KEY": secret,
        **switches,
    }
