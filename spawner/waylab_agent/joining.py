"""Joining a site: a one-time token is traded for the node's own, and kept.

What the agent needs to start on a machine of its own is one file in its state,
`node.json` (0600), and the token in `node.token` (0600) beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from waylab_agent.errors import JoinError, SettingsError
from waylab_agent.own_engine import own_engine
from waylab_agent.settings import PREFIX
from waylab_site.model import Site

BOARD_PATH = "/services/gpus"
FILE, TOKEN, KEYS, SITE = "node.json", "node.token", "keys.json", "site.json"
_TIMEOUT_SECONDS = 15.0
_FORBIDDEN = frozenset({401, 403})


class Tracking(BaseModel):
    """Where the site's ClearML is, and the keys of this node's agent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    api_url: str
    web_url: str
    files_url: str
    access_key: str
    secret_key: str


class Joined(BaseModel):
    """What the board answers to a join; what it leaves out is set by hand."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token: str = Field(min_length=1)
    node: str = Field(min_length=1)
    queues: tuple[str, ...] = ()
    site_id: str | None = None
    tracking: Tracking | None = None
    site: dict[str, Any] | None = None


@dataclass(frozen=True)
class Membership:
    """A node that has joined: its name, and the settings that follow from it."""

    node: str
    settings: dict[str, str]


def join(url: str, token: str, state: Path) -> Membership:
    """Trade a one-time token for the node's own and keep all of it in `state`.

    `url` is the site's address as a browser has it, or the board's own.

    Raises:
        JoinError: the token is spent, the address is wrong, nobody answers, or the
            folder cannot be written; nothing is kept then.
    """
    _make(state)
    board = board_url(url)
    joined = _ask(board, token)
    site = _site(joined)
    settings = {
        "NODE": joined.node,
        "BOARD_URL": board,
        "BOARD_TOKEN_FILE": str(state / TOKEN),
        "STATE": str(state),
        "HOMES": str(state / "homes"),
    }
    if joined.queues:
        settings["QUEUES"] = ",".join(joined.queues)
    if joined.site_id:
        settings["SITE_ID"] = joined.site_id
    _write(state / TOKEN, joined.token)
    if joined.tracking is not None:
        tracking = joined.tracking
        keys = {"access_key": tracking.access_key, "secret_key": tracking.secret_key}
        _write(state / KEYS, json.dumps(keys))
        settings["KEY_FILE"] = str(state / KEYS)
        settings["API_URL"] = tracking.api_url
        settings["WEB_URL"] = tracking.web_url
        settings["FILES_URL"] = tracking.files_url
    elif joined.site is not None:
        settings |= _server_of(joined.site, state)
    if site is not None:
        _write(state / SITE, json.dumps(joined.site))
        settings["SITE_FILE"] = str(state / SITE)
        engine = own_engine(site, joined.node)
        if engine is not None:
            settings["ENGINE"] = engine
    _write(state / FILE, json.dumps(settings, indent=1))
    return Membership(joined.node, settings)


def _site(joined: Joined) -> Site | None:
    if joined.site is None:
        return None
    try:
        return Site.model_validate_json(json.dumps(joined.site))
    except ValidationError as error:
        msg = (
            f"The site is not as this version of Waylab knows it: {error}. Install on "
            "this machine the version that the site has, and join with a new token."
        )
        raise JoinError(msg) from error


def _server_of(site: Mapping[str, object], state: Path) -> dict[str, str]:
    """Give the site's ClearML Server; the agent's keys for it an admin lays down."""
    tracking = site.get("tracking")
    found = tracking if isinstance(tracking, Mapping) else {}
    if not found.get("api_url"):
        return {}
    addresses = {
        name.upper(): str(found.get(name) or "")
        for name in ("api_url", "web_url", "files_url")
    }
    return {**addresses, "KEY_FILE": str(state / KEYS)}


def membership(state: Path) -> dict[str, str]:
    """Give what a join has kept, as variables of the agent's settings.

    Raises:
        SettingsError: this machine has not joined, or the file is damaged.
    """
    path = state / FILE
    try:
        kept = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        msg = (
            f"This machine has not joined a site: {path} is not there. Ask an admin "
            "for the command that `waylab node add` prints, and run it here."
        )
        raise SettingsError(msg) from error
    except (OSError, ValueError) as error:
        msg = f"Cannot read {path}: {error}. Join again."
        raise SettingsError(msg) from error
    if not isinstance(kept, Mapping):
        msg = f"{path} is damaged. Join again."
        raise SettingsError(msg)
    return {f"{PREFIX}{name}": str(value) for name, value in kept.items()}


def board_url(url: str) -> str:
    """Give the board's base for the address that somebody typed.

    Raises:
        JoinError: it is no address.
    """
    text = url.strip().rstrip("/")
    try:
        parsed = httpx.URL(text)
    except httpx.InvalidURL as error:
        msg = f"{url!r} is no address: {error}."
        raise JoinError(msg) from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        msg = f"{url!r} is no address: write it as https://waylab.example.org."
        raise JoinError(msg)
    return text if text.endswith(BOARD_PATH) else f"{text}{BOARD_PATH}"


def _ask(board: str, token: str) -> Joined:
    headers = {"Authorization": f"token {token.strip()}"}
    try:
        answer = httpx.post(
            f"{board}/api/v1/join",
            json={},
            headers=headers,
            timeout=_TIMEOUT_SECONDS,
            # As all later talk with the board: never through a proxy.
            trust_env=False,
        )
    except httpx.TransportError as error:
        msg = (
            f"Nobody answers at {board} ({error}): is the site running, and can this "
            "machine reach it?"
        )
        raise JoinError(msg) from error
    if answer.status_code in _FORBIDDEN:
        msg = f"{board} refuses the token: {_message(answer)}"
        raise JoinError(msg)
    try:
        answer.raise_for_status()
        return Joined.model_validate_json(answer.content)
    except (httpx.HTTPStatusError, ValidationError) as error:
        msg = (
            f"{board} does not answer as a site's board does (HTTP "
            f"{answer.status_code}): is this the address of the site?"
        )
        raise JoinError(msg) from error


def _message(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        said = None
    text = said.get("message") if isinstance(said, dict) else None
    return str(text or "it is unknown, spent or too old.")


def _make(state: Path) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"Cannot make the folder {state}: {error.strerror}."
        raise JoinError(msg) from error


def _write(path: Path, text: str) -> None:
    """Replace a file, readable for its owner alone from its first moment on."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        msg = f"Cannot write {path}: {error.strerror}."
        raise JoinError(msg) from error
