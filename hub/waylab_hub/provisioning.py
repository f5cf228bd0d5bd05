"""Users and keys in tracking, and what follows the removal of a user."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from waylab_board.keyring import keys_file
from waylab_board.node_keys import NodeKeys
from waylab_hub.errors import HubError, StartError
from waylab_hub.hub_api import HubApi
from waylab_hub.ports import Ports
from waylab_hub.programs import (
    SYSTEM_KEYS,
    agent_key_file,
    files_url,
    node_token_file,
    system_key_file,
    tracking_url,
    web_url,
)
from waylab_hub.users import User, Users
from waylab_site.model import Site
from waylab_site.state import State, write_private
from waylab_spawner.errors import TrackingError
from waylab_spawner.tracking import KeyPair, Tracking

OPERATOR_LABEL = "operator"
SYSTEM_KEY_FILE = SYSTEM_KEYS


def ensure_system_keys(state: State, site: Site) -> KeyPair:
    """Give the keys of tracking's `system` principal, made before its first start.

    With a ClearML Server they are of a service user, and an admin lays them down.

    Raises:
        StartError: nobody has.
    """
    path = system_key_file(state, site)
    if site.tracking.is_external and not path.exists():
        msg = (
            f"The site names the ClearML Server {site.tracking.api_url}: make keys of "
            f"a service user there, and write them into {path} as "
            '{"access_key": "...", "secret_key": "..."}.'
        )
        raise StartError(msg)
    if not path.exists():
        keys = {
            "access_key": f"SYSTEM{secrets.token_hex(7).upper()}",
            "secret_key": secrets.token_urlsafe(48),
        }
        write_private(path, json.dumps(keys) + "\n")
    return KeyPair.from_file(path)


def ensure_service_operator(state: State, site: Site, ports: Ports) -> None:
    """Have the command line act as the service user of a ClearML Server."""
    pair = _pair(KeyPair.from_file(system_key_file(state, site)))
    addresses = {
        "api_url": tracking_url(ports),
        "web_url": web_url(ports),
        "files_url": files_url(ports),
    }
    text = json.dumps({**addresses, "user": "", **pair}, indent=2)
    write_private(state.operator_file, text + "\n")


async def ensure_agent_keys(state: State, tracking: Tracking, node: str) -> None:
    """Make the keys of a node's agent, once.

    Raises:
        TrackingError: tracking refuses or does not answer.
    """
    path = agent_key_file(state, node)
    if path.exists():
        return
    name = f"agent-{node}"
    await tracking.ensure_user(name, "agent")
    await tracking.revoke_labelled(name, name)
    keys = await tracking.make_keys(name, name)
    write_private(path, json.dumps(_pair(keys)) + "\n")


def ensure_node_token(state: State, node: str) -> None:
    """Make the token with which a node's agent on this machine meets the board."""
    path = node_token_file(state, node)
    keys = NodeKeys(state.node_keys)
    if path.exists() and keys.node_of(path.read_text("utf-8").strip()) == node:
        return
    _, token = keys.issue(node, "waylab up", datetime.now(UTC))
    write_private(path, token)


async def ensure_operator(
    state: State, tracking: Tracking, ports: Ports, admin: User
) -> None:
    """Make what the command line on this machine acts with: the first admin's keys.

    Raises:
        TrackingError: tracking refuses or does not answer.
    """
    path = state.operator_file
    addresses = {
        "api_url": tracking_url(ports),
        "web_url": web_url(ports),
        "files_url": files_url(ports),
        "user": admin.name,
    }
    kept: dict[str, str] = {}
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
    if kept.get("user") == admin.name and "secret_key" in kept:
        pair = {name: kept[name] for name in ("access_key", "secret_key")}
    else:
        await tracking.ensure_user(admin.name, "admin")
        await tracking.revoke_labelled(admin.name, OPERATOR_LABEL)
        pair = _pair(await tracking.make_keys(admin.name, OPERATOR_LABEL))
    if kept != {**addresses, **pair}:
        write_private(path, json.dumps({**addresses, **pair}, indent=2) + "\n")


async def ensure_users(tracking: Tracking, users: Users) -> None:
    """Make every user of the site known to tracking.

    Raises:
        TrackingError: tracking refuses or does not answer.
    """
    for user in await asyncio.to_thread(users.all):
        await tracking.ensure_user(user.name, "admin" if user.admin else "user")


async def ensure_queues(tracking: Tracking, names: Iterable[str]) -> None:
    """Make the site's queues that tracking does not have yet.

    Raises:
        TrackingError: tracking refuses or does not answer.
    """
    data = await tracking.call("queues.get_all", {"only_fields": ["name"]})
    found = data.get("queues")
    known = {queue["name"] for queue in found} if isinstance(found, list) else set()
    for name in names:
        if name not in known:
            await tracking.call("queues.create", {"name": name})


async def follow_removals(
    users: Users, hub: HubApi, tracking: Tracking | None, keyring: Path
) -> tuple[str, ...]:
    """Take removed users out of the hub and tracking; give those not done yet.

    `tracking` is None where users are not the hub's to remove: of a ClearML Server only
    the keys are forgotten that they have entered, in the folder `keyring`.
    """
    left = []
    for name in await asyncio.to_thread(users.removals):
        try:
            await hub.end_labs(user=name, within_seconds=30.0)
            await hub.delete_user(name)
            gone = await asyncio.to_thread(users.get, name) is None
            if gone:
                keys_file(keyring, name).unlink(missing_ok=True)
            if gone and tracking is not None:
                await tracking.remove_user(name)
            await asyncio.to_thread(users.forget_removal, name)
        except (HubError, TrackingError):
            left.append(name)
    return tuple(left)


def _pair(keys: KeyPair) -> dict[str, str]:
    return {"access_key": keys.access_key, "secret_key": keys.secret_key}
