"""The programs that make a running Waylab: how each is started and ended."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waylab_hub.agents import AgentPlan, agents_here
from waylab_hub.assemble import TRACKING_CLIENT, TRACKING_PREFIX
from waylab_hub.ports import LOOPBACK, Ports
from waylab_site.inventory import Inventory
from waylab_site.model import Site
from waylab_site.state import State

PROXY, TRACKING, HUB = "proxy", "tracking", "hub"


@dataclass(frozen=True)
class Program:
    """One program: its command, its surroundings, and how it is ended."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    log: Path
    grace_seconds: float = 10.0
    """How long it may take to end before it is killed."""
    full_stop: signal.Signals = signal.SIGTERM
    """The signal when all of Waylab stops; a restart sends SIGTERM."""


@dataclass(frozen=True)
class Blueprint:
    """What the programs are made from."""

    state: State
    site: Site
    ports: Ports
    inventory: Inventory
    proxy_command: tuple[str, ...]
    base_environment: Mapping[str, str] = field(repr=False)


def programs(blueprint: Blueprint) -> tuple[Program, ...]:
    """Give all programs of a site on this machine, in the order of their start."""
    agents = agents_here(blueprint.site, blueprint.inventory)
    return (
        _tracking(blueprint),
        _proxy(blueprint),
        _hub(blueprint),
        *(_agent(blueprint, plan) for plan in agents),
    )


def public_url(ports: Ports) -> str:
    """Give the address that browsers use."""
    return f"http://{LOOPBACK}:{ports.public}"


def tracking_url(ports: Ports) -> str:
    """Give the tracking server's address on this machine."""
    return f"http://{LOOPBACK}:{ports.tracking}"


def web_url(ports: Ports) -> str:
    """Give the tracking server's pages as browsers reach them."""
    return f"{public_url(ports)}{TRACKING_PREFIX}"


def files_url(ports: Ports) -> str:
    """Give the tracking server's files as programs on this machine reach them."""
    return f"{tracking_url(ports)}/files"


def _proxy(blueprint: Blueprint) -> Program:
    ports = blueprint.ports
    hub = f"http://{LOOPBACK}:{ports.hub}"
    options = {
        "--ip": LOOPBACK,
        "--port": str(ports.public),
        "--api-ip": LOOPBACK,
        "--api-port": str(ports.proxy_api),
        "--default-target": hub,
        "--error-target": f"{hub}/hub/error",
        "--log-level": "warn",
    }
    arguments = [part for option in options.items() for part in option]
    state = blueprint.state
    return Program(
        name=PROXY,
        argv=(*blueprint.proxy_command, *arguments),
        environment={
            **blueprint.base_environment,
            "CONFIGPROXY_AUTH_TOKEN": state.secret("proxy-token"),
        },
        folder=state.run,
        log=state.log(PROXY),
        grace_seconds=3.0,
    )


def _tracking(blueprint: Blueprint) -> Program:
    state, ports = blueprint.state, blueprint.ports
    hub_api = f"http://{LOOPBACK}:{ports.hub}/hub/api"
    settings = {
        "STATE": str(state.tracking),
        "HOST": LOOPBACK,
        "PORT": str(ports.tracking),
        "PREFIX": TRACKING_PREFIX,
        "PUBLIC_URL": web_url(ports),
        "SYSTEM_KEY_FILE": str(state.secrets / "tracking-system.json"),
        "OAUTH_CLIENT_ID": TRACKING_CLIENT,
        "OAUTH_CLIENT_SECRET_FILE": str(state.secret_file("oauth-secret")),
        # Without a host: whatever name the browser knows the hub by stays in use.
        "OAUTH_AUTHORIZE_URL": "/hub/api/oauth2/authorize",
        "OAUTH_TOKEN_URL": f"{hub_api}/oauth2/token",
        "OAUTH_USERINFO_URL": f"{hub_api}/user",
        "OAUTH_NAME_CLAIM": "name",
    }
    prefixed = {f"WAYLAB_TRACKING_{name}": value for name, value in settings.items()}
    return Program(
        name=TRACKING,
        argv=(sys.executable, "-m", "waylab_tracking"),
        environment={**blueprint.base_environment, **prefixed},
        folder=state.tracking,
        log=state.log(TRACKING),
    )


def _hub(blueprint: Blueprint) -> Program:
    state = blueprint.state
    config = Path(__file__).with_name("jupyterhub_config.py")
    return Program(
        name=HUB,
        argv=(sys.executable, "-m", "jupyterhub", "-f", str(config)),
        environment={
            **blueprint.base_environment,
            "WAYLAB_HUB_SETTINGS": str(hub_settings_file(state)),
        },
        folder=state.hub,
        log=state.log(HUB),
    )


def hub_settings_file(state: State) -> Path:
    """Give the place of the file that tells the hub's process all it has to know."""
    return state.hub / "settings.json"


def agent_key_file(state: State, node: str) -> Path:
    """Give the place of an agent's keys."""
    return state.secrets / f"agent-{node}.json"


def _agent(blueprint: Blueprint, plan: AgentPlan) -> Program:
    state, ports = blueprint.state, blueprint.ports
    settings = {
        "NODE": plan.name,
        "QUEUES": ",".join(plan.queues),
        "SLOTS": str(plan.slots),
        "SERVICES_SLOTS": str(plan.services_slots),
        "DEVICES": ",".join(plan.devices),
        "API_URL": tracking_url(ports),
        "WEB_URL": web_url(ports),
        "FILES_URL": files_url(ports),
        "KEY_FILE": str(agent_key_file(state, plan.name)),
        "STATE": str(state.agent(plan.name)),
        "HOMES": str(state.homes),
        "ISOLATED": "true" if state.isolated else "false",
    }
    prefixed = {f"WAYLAB_AGENT_{name}": value for name, value in settings.items()}
    return Program(
        name=plan.program,
        argv=(sys.executable, "-m", "waylab_agent"),
        environment={**blueprint.base_environment, **prefixed},
        folder=state.agents,
        log=state.log(plan.program),
        grace_seconds=30.0,
        full_stop=signal.SIGINT,
    )
