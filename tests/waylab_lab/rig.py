"""A real Jupyter server with the extension, in front of a real tracking server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_site.certificates import trusted
from waylab_tracking.testing import Server

READY_SECONDS = 60.0
SOURCES = Path(__file__).parents[2] / "extensions" / "lab"
API = "/waylab/api/"


@dataclass(frozen=True)
class Lab:
    """A running lab of one user; `root` is the folder of its file browser."""

    url: str
    token: str
    root: Path

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the extension as the browser does, signed in."""
        headers = {"Authorization": f"token {self.token}", **options.pop("headers", {})}
        return httpx.request(
            method,
            f"{self.url}{API}{path}",
            headers=headers,
            timeout=30,
            trust_env=False,
            verify=trusted(),
            **options,
        )

    def get(self, path: str, **query: Any) -> Any:
        """Give a good answer's JSON."""
        answer = self.request("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object, status: int = 200) -> Any:
        """Give the JSON of an answer with the expected status."""
        answer = self.request("POST", path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()


@contextmanager
def running_lab(
    folder: Path, environment: Mapping[str, str], *, module: str = "jupyter_server"
) -> Iterator[Lab]:
    """Run a lab whose home and files lie in a folder.

    `module` is `jupyterlab` where a browser is to see it.
    """
    root = folder / "home"
    root.mkdir(parents=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    token = secrets.token_hex(16)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"(CLEARML|WAYLAB|JUPYTER)", name)
    }
    log = folder / "lab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                module,
                "--allow-root",
                "--no-browser",
                "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.port={port}",
                "--ServerApp.port_retries=0",
                f"--ServerApp.root_dir={root}",
                "--ServerApp.jpserver_extensions={'waylab_lab': True}",
            ],
            env={
                **kept,
                "HOME": str(root),
                "JUPYTER_CONFIG_DIR": str(folder / "config"),
                "JUPYTER_DATA_DIR": str(folder / "data"),
                "JUPYTER_TOKEN": token,
                "PYTHONPATH": str(SOURCES),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        lab = Lab(f"http://127.0.0.1:{port}", token, root)
        _wait(lab, process, log)
        yield lab
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait(lab: Lab, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{lab.url}/api", timeout=5, trust_env=False, verify=trusted())
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    msg = f"The lab did not start:\n{log.read_text('utf-8')}"
    raise RuntimeError(msg)


def credentials(server: Server, user: str) -> Credentials:
    """Make a user and give what its lab is given."""
    access_key, secret_key = server.create_user(user)
    return Credentials(
        api_url=server.url,
        web_url=server.url,
        files_url=server.files_url,
        access_key=access_key,
        secret_key=secret_key,
    )


def environment(given: Credentials) -> dict[str, str]:
    """Give the environment of a lab with these credentials."""
    return sdk_environment(given)


def add_run(client: Client, name: str, **document: Any) -> str:
    """Record a draft of a notebook's run and give its id."""
    body = {"name": name, "type": "training", "tags": ["notebook"], **document}
    return str(client.call("tasks.create", body)["id"])


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    """Give a Python notebook of these cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": list(cells),
    }


def code_cell(
    source: str, *outputs: object, tags: Sequence[str] = ()
) -> dict[str, Any]:
    """Give a code cell that has run once if it has outputs."""
    return {
        "id": hashlib.sha256(source.encode()).hexdigest()[:8],
        "cell_type": "code",
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "outputs": list(outputs),
        "execution_count": 1 if outputs else None,
    }


def write_notebook(path: Path, source: str) -> Path:
    """Write a notebook of one cell, tagged `parameters`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = notebook(code_cell(source, tags=["parameters"]))
    path.write_text(json.dumps(content), "utf-8")
    return path
