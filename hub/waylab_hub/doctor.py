"""`waylab doctor`: what is right and what is not, each with its remedy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from waylab_hub import control, ports
from waylab_hub.checks import Check, Verdict
from waylab_hub.engine_checks import engine_checks
from waylab_hub.errors import ControlError, HubError, StartError
from waylab_hub.files_store import store_environment, store_problem
from waylab_hub.places import proxy_command, templates_root
from waylab_hub.preparation import base_environment
from waylab_hub.programs import BOARD, TRACKING, board_url, tracking_url
from waylab_hub.reachable import check_reachable
from waylab_hub.server_checks import server_checks
from waylab_hub.settings import Environment
from waylab_site.errors import SiteError, StateError
from waylab_site.inventory import GIB, this_machine
from waylab_site.loading import load
from waylab_site.state import State

_OLDEST_PYTHON = (3, 11)
_OLDEST_NODE = 20
_LEAST_FREE_GIB = 2.0
_OK = 200


def examine(root: Path, environment: Environment) -> Iterator[Check]:
    """Look at everything that a running Waylab needs; changes nothing."""
    yield _python()
    yield _node()
    yield _guarded("proxy", lambda: _proxy(environment))
    yield _guarded("templates", lambda: str(templates_root(environment.templates_root)))
    yield _extension()
    try:
        state = State.existing(root)
    except StateError as error:
        yield Check("state folder", Verdict.WARNING, str(error))
        yield _guarded("port", lambda: _port(environment.port))
        return
    yield _guarded("state folder", lambda: _folder(state))
    yield _disk(state)
    yield _guarded("site", lambda: _site(state))
    yield _accounts(state, environment)
    yield from engine_checks(state)
    yield from _clearml(state)
    yield from _store(state)
    yield from _running(state, environment)


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, Verdict.OK, look())
    except (SiteError, HubError) as error:
        return Check(name, Verdict.BAD, str(error))


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < _OLDEST_PYTHON:
        oldest = ".".join(str(part) for part in _OLDEST_PYTHON)
        text = f"{version}: Waylab needs {oldest} or newer; install it."
        return Check("python", Verdict.BAD, text)
    return Check("python", Verdict.OK, f"{version} at {sys.executable}")


def _node() -> Check:
    beside = Path(sys.executable).with_name("node")
    node = str(beside) if beside.exists() else shutil.which("node")
    if node is None:
        return Check("node", Verdict.BAD, "There is no Node: run `make setup`.")
    told = _told([node, "--version"])
    major = told.removeprefix("v").partition(".")[0]
    if not major.isdecimal() or int(major) < _OLDEST_NODE:
        text = f"{node} is {told or 'broken'}: install Node {_OLDEST_NODE} or newer."
        return Check("node", Verdict.BAD, text)
    return Check("node", Verdict.OK, f"{told} at {node}")


def _proxy(environment: Environment) -> str:
    command = proxy_command(environment.proxy_command)
    version = _told([*command, "--version"])
    if not version:
        msg = f"{command[0]} does not run: run `make setup` again."
        raise StartError(msg)
    return f"{version} at {command[0]}"


def _told(command: list[str]) -> str:
    try:
        return subprocess.run(  # noqa: S603 - built here.
            command, capture_output=True, check=True, text=True, timeout=30
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _extension() -> Check:
    folder = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
    for package in (*folder.glob("*/package.json"), *folder.glob("@*/*/package.json")):
        try:
            name = str(json.loads(package.read_text(encoding="utf-8")).get("name"))
        except (OSError, ValueError):
            continue
        if "waylab" in name:
            return Check("lab extension", Verdict.OK, f"{name} in {package.parent}")
    text = f"It is not in {folder}: run `make setup`."
    return Check("lab extension", Verdict.BAD, text)


def _folder(state: State) -> str:
    closed = [state.secrets, state.hub, state.tracking, state.run, state.root / "logs"]
    for folder in closed:
        if folder.stat().st_mode & 0o077:
            msg = f"{folder} is open to other accounts: chmod 700 {folder}."
            raise StateError(msg)
    for secret in state.secrets.iterdir():
        if secret.stat().st_mode & 0o077:
            msg = f"{secret} is open to other accounts: chmod 600 {secret}."
            raise StateError(msg)
    return str(state.root)


def _disk(state: State) -> Check:
    free_gib = shutil.disk_usage(state.root).free / GIB
    text = f"{free_gib:.1f} GiB free at {state.root}"
    if free_gib < _LEAST_FREE_GIB:
        text += f": make room, {_LEAST_FREE_GIB:g} GiB are the least."
        return Check("disk", Verdict.WARNING, text)
    return Check("disk", Verdict.OK, text)


def _site(state: State) -> str:
    site = load(state.site_file, this_machine())
    nodes = ", ".join(node.name for node in site.nodes)
    queues = ", ".join(queue.name for queue in site.queues)
    return f"{state.site_file} (nodes {nodes}; queues {queues})"


def _clearml(state: State) -> Iterator[Check]:
    """Look at the ClearML Server that the site names, if it names one."""
    try:
        tracking = load(state.site_file, this_machine()).tracking
    except SiteError:
        return  # The site's own check says so.
    if tracking.api_url is None:
        return
    path = state.secrets / "clearml.json"
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
        pair = str(keys["access_key"]), str(keys["secret_key"])
    except (OSError, ValueError, KeyError, TypeError):
        text = f"{path} must hold the service user's access_key and secret_key."
        yield Check("ClearML", Verdict.BAD, text)
        return
    yield from server_checks(tracking, pair)


def _store(state: State) -> Iterator[Check]:
    """Look at the store of the files that the site names, if it names one."""
    try:
        url = load(state.site_file, this_machine()).tracking.files
    except SiteError:
        return  # The site's own check says so.
    if url is None:
        return

    def look() -> str:
        # What runs has the keys; this shell need not have them.
        if state.lock("supervisor").is_held():
            socket, question = state.supervisor_socket, {"verb": "store"}
            answer = control.ask(socket, question, timeout_seconds=60.0)
            problem = str(answer["problem"])
        else:
            given = base_environment(os.environ) | store_environment(os.environ)
            problem = store_problem(url, given)
        if problem:
            raise StartError(problem)
        return f"{url} takes, gives and deletes files"

    yield _guarded("files' store", look)


def _accounts(state: State, environment: Environment) -> Check:
    if not state.isolated:
        text = (
            "All labs and jobs share this account: only the first admin signs in "
            "unless the site says shared_account = true. Run as root to isolate users."
        )
        return Check("accounts", Verdict.WARNING, text)
    if shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        text = "useradd is not on this machine: install the package passwd."
        return Check("accounts", Verdict.BAD, text)

    def look() -> str:
        check_reachable(templates_root(environment.templates_root))
        return f"One system account a user; homes in {state.homes}"

    return _guarded("accounts", look)


def _port(port: int) -> str:
    ports.check_public(port)
    return f"{port} is free"


def _running(state: State, environment: Environment) -> Iterator[Check]:
    try:
        status: dict[str, Any] = control.ask(
            state.supervisor_socket, {"verb": "status"}, timeout_seconds=10.0
        )
    except ControlError as error:
        yield Check("programs", Verdict.WARNING, str(error))
        yield _guarded("port", lambda: _port(environment.port))
        return
    for program in status["programs"]:
        name, condition = str(program["name"]), str(program["condition"])
        ready = condition == "ready"
        text = condition if ready else f"{condition}. Look at {state.log(name)}."
        yield Check(name, Verdict.OK if ready else Verdict.BAD, text)
    kept = ports.read(state.ports_file)
    if kept is not None:
        ping = f"{tracking_url(kept)}/debug.ping"
        yield _guarded("tracking ping", lambda: _ping(ping, TRACKING))
        health = f"{board_url(kept)}/health"
        yield _guarded("board ping", lambda: _ping(health, BOARD))


def _ping(url: str, program: str) -> str:
    try:
        response = httpx.get(url, timeout=5.0, trust_env=False)
    except httpx.HTTPError as error:
        msg = f"{url} does not answer ({error}): `waylab restart {program}`."
        raise StartError(msg) from error
    if response.status_code != _OK:
        msg = f"{url} answers {response.status_code}: `waylab restart {program}`."
        raise StartError(msg)
    return f"{url} answers"
