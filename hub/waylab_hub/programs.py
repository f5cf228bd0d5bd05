"""The programs that make a running Waylab: how each is started and ended."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waylab_hub.agents import AgentPlan, agents_here
from waylab_hub.assemble import (
    BOARD_CLIENT,
    BOARD_PREFIX,
    BOARD_SERVICE,
    TRACKING_CLIENT,
    TRACKING_PREFIX,
)
from waylab_hub.engines import NodeEngine
from waylab_hub.ports import LOOPBACK, Ports
from waylab_site.inventory import Inventory
from waylab_site.model import Node, Site
from waylab_site.state import State

PROXY, TRACKING, HUB, BOARD = "proxy", "tracking", "hub", "board"
ENGINE = "engine"
SYSTEM_KEYS = "tracking-system.json"
CLEARML_KEYS = "clearml.json"
GIB = 1 << 30


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
    engines: tuple[NodeEngine, ...]
    templates: Path
    proxy_command: tuple[str, ...]
    base_environment: Mapping[str, str] = field(repr=False)
    store_environment: Mapping[str, str] = field(repr=False, default_factory=dict)
    """How the tracking server reaches the store of the files; for it alone."""
    ledger_url: str = field(default="", repr=False)
    """The ledger's database; empty for a file in the state folder."""
    tracking_url: str = field(default="", repr=False)
    """The same of the runs."""
    shared_notice: str = ""
    """What every page says where labs and jobs share an account."""


def programs(blueprint: Blueprint) -> tuple[Program, ...]:
    """Give all programs of a site on this machine, in the order of their start."""
    agents = agents_here(blueprint.site, blueprint.inventory)
    simulated = (one for one in blueprint.engines if one.node.is_simulated)
    return (
        *(_engine(blueprint, engine) for engine in simulated),
        *(() if blueprint.site.tracking.is_external else (_tracking(blueprint),)),
        _proxy(blueprint),
        _hub(blueprint),
        _board(blueprint),
        *(_agent(blueprint, plan) for plan in agents),
    )


def public_url(ports: Ports) -> str:
    """Give the address that browsers use."""
    return f"http://{LOOPBACK}:{ports.public}"


def tracking_url(ports: Ports) -> str:
    """Give the tracking server's address for programs on this machine."""
    if ports.clearml is not None:
        return ports.clearml[0]
    return f"http://{ports.internal}:{ports.tracking}"


def hub_url(ports: Ports) -> str:
    """Give the hub's own address on this machine."""
    return f"http://{ports.internal}:{ports.hub}"


def board_url(ports: Ports) -> str:
    """Give the board's address on this machine."""
    return f"http://{ports.internal}:{ports.board}{BOARD_PREFIX}"


def web_url(ports: Ports) -> str:
    """Give the tracking server's pages as browsers reach them."""
    if ports.clearml is not None:
        return ports.clearml[1]
    return f"{public_url(ports)}{TRACKING_PREFIX}"


def files_url(ports: Ports) -> str:
    """Give the tracking server's files as programs on this machine reach them."""
    if ports.clearml is not None:
        return ports.clearml[2]
    return f"{tracking_url(ports)}/files"


def _proxy(blueprint: Blueprint) -> Program:
    ports = blueprint.ports
    hub = hub_url(ports)
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
    hub_api = f"{hub_url(ports)}/hub/api"
    settings = {
        "STATE": str(state.tracking),
        "HOST": ports.internal,
        "PORT": str(ports.tracking),
        "PREFIX": TRACKING_PREFIX,
        "PUBLIC_URL": web_url(ports),
        "SYSTEM_KEY_FILE": str(state.secrets / SYSTEM_KEYS),
        "AGENTS_GET_TOKENS": "false",
        "ON_LOST": json.dumps(_loss_rules(blueprint.site)),
        "DATABASE_URL": blueprint.tracking_url,
        "FILES_STORE": blueprint.site.tracking.files or "",
        "FILES_QUOTA_BYTES": str(int(blueprint.site.tracking.files_quota_gib * GIB)),
        "ARCHIVED_DAYS": str(blueprint.site.tracking.archived_days),
        "LOGS_DAYS": str(blueprint.site.tracking.logs_days),
        "IMAGES_DAYS": str(blueprint.site.tracking.images_days),
        **(
            {"GROUPS": json.dumps(blueprint.site.members)}
            if blueprint.site.groups
            else {}
        ),
        "OAUTH_CLIENT_ID": TRACKING_CLIENT,
        "OAUTH_CLIENT_SECRET_FILE": str(state.secret_file("oauth-secret")),
        # Without a host: whatever name the browser knows the hub by stays in use.
        "OAUTH_AUTHORIZE_URL": "/hub/api/oauth2/authorize",
        "OAUTH_TOKEN_URL": f"{hub_api}/oauth2/token",
        "OAUTH_USERINFO_URL": f"{hub_api}/user",
        "OAUTH_NAME_CLAIM": "name",
        "NOTICE": blueprint.shared_notice,
    }
    prefixed = {f"WAYLAB_TRACKING_{name}": value for name, value in settings.items()}
    return Program(
        name=TRACKING,
        argv=(sys.executable, "-m", "waylab_tracking"),
        environment={
            **blueprint.base_environment,
            **(blueprint.store_environment if blueprint.site.tracking.files else {}),
            **prefixed,
        },
        folder=state.tracking,
        log=state.log(TRACKING),
    )


def _loss_rules(site: Site) -> dict[str, dict[str, str | int]]:
    return {
        queue.name: {"action": queue.on_lost.value, "requeues": queue.requeues}
        for queue in site.queues
    }


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


def _board(blueprint: Blueprint) -> Program:
    state, ports = blueprint.state, blueprint.ports
    settings = {
        "DATABASE_URL": blueprint.ledger_url
        or f"sqlite:///{state.board / 'ledger.sqlite'}",
        "SITE_FILE": str(site_json_file(state)),
        "NODE_KEYS_FOLDER": str(state.node_keys),
        "HOST": ports.internal,
        "PORT": str(ports.board),
        "PREFIX": BOARD_PREFIX,
        "PUBLIC_URL": f"{public_url(ports)}{BOARD_PREFIX}",
        "SERVICE": BOARD_SERVICE,
        "HUB_API_URL": f"{hub_url(ports)}/hub/api",
        "HUB_TOKEN_FILE": str(state.secret_file("board-token")),
        "OPERATOR_FILE": str(state.secrets / "board-operator.json"),
        "OAUTH_CLIENT_ID": BOARD_CLIENT,
        "OAUTH_SECRET_FILE": str(state.secret_file("board-token")),
        "TRACKING_API_URL": tracking_url(ports),
        "TRACKING_KEY_FILE": str(system_key_file(state, blueprint.site)),
        "TRACKING_WEB_URL": web_url(ports),
        "TRACKING_PATH": web_url(ports) if ports.clearml else f"{TRACKING_PREFIX}/",
        "KEYRING_FOLDER": str(keyring_folder(state)),
        "KEYRING_KEY_FILE": str(state.secrets / "clearml-keyring.key"),
        "SITE_ID": state.site_id,
        "TEMPLATES": str(blueprint.templates / "hub"),
        "SHARED_NOTICE": blueprint.shared_notice,
    }
    prefixed = {f"WAYLAB_BOARD_{name}": value for name, value in settings.items()}
    return Program(
        name=BOARD,
        argv=(sys.executable, "-m", "waylab_board"),
        environment={**blueprint.base_environment, **prefixed},
        folder=state.board,
        log=state.log(BOARD),
    )


def _engine(blueprint: Blueprint, engine: NodeEngine) -> Program:
    """Give the engine of a simulated node; a restart leaves its containers alone."""
    state, node = blueprint.state, engine.node
    groups = node.devices if isinstance(node.devices, tuple) else ()
    devices = json.dumps([group.model_dump(mode="json") for group in groups])
    options = ("--node", node.name, "--state", str(state.engines / node.name))
    return Program(
        name=engine_program(node),
        argv=(
            *(sys.executable, "-m", "waylab_rig", "engine"),
            *options,
            *("--devices", devices, "--keep-containers"),
        ),
        environment=blueprint.base_environment,
        folder=state.root,
        log=state.log(engine_program(node)),
        grace_seconds=30.0,
        full_stop=signal.SIGINT,
    )


def engine_program(node: Node) -> str:
    """Name the program that is a simulated node's engine."""
    return f"{ENGINE}-{node.name}"


def site_json_file(state: State) -> Path:
    """Give the place of the site as board and agents read it."""
    return state.run / "site.json"


def system_key_file(state: State, site: Site) -> Path:
    """Give the keys that hub and board act with: `system`'s, or a service user's."""
    return state.secrets / (CLEARML_KEYS if site.tracking.is_external else SYSTEM_KEYS)


def keyring_folder(state: State) -> Path:
    """Give the place of the users' own keys for a ClearML Server, encrypted."""
    return state.board / "clearml-keys"


def node_token_file(state: State, node: str) -> Path:
    """Give the place of a node's token for the board."""
    return state.secrets / f"board-{node}-token"


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
        "DEVICES": plan.devices,
        "BOARD_URL": board_url(ports),
        "BOARD_TOKEN_FILE": str(node_token_file(state, plan.name)),
        "SITE_FILE": str(site_json_file(state)),
        "SITE_ID": state.site_id,
        "API_URL": tracking_url(ports),
        "WEB_URL": web_url(ports),
        "FILES_URL": files_url(ports),
        "KEY_FILE": str(
            system_key_file(state, blueprint.site)
            if blueprint.site.tracking.is_external
            else agent_key_file(state, plan.name)
        ),
        "STATE": str(state.agent(plan.name)),
        "HOMES": str(state.homes),
        "ISOLATED": "true" if state.isolated else "false",
    }
    engine = _engine_of(blueprint, plan)
    if engine is not None and engine.address is not None:
        settings["ENGINE"] = engine.address.url
        if engine.address.tls_folder is not None:
            settings["ENGINE_TLS"] = str(engine.address.tls_folder)
    seen = engine.environment if engine is not None else {}
    prefixed = {f"WAYLAB_AGENT_{name}": value for name, value in settings.items()}
    return Program(
        name=plan.program,
        argv=(sys.executable, "-m", "waylab_agent"),
        environment={**blueprint.base_environment, **seen, **prefixed},
        folder=state.agents,
        log=state.log(plan.program),
        grace_seconds=30.0,
        full_stop=signal.SIGINT,
    )


def _engine_of(blueprint: Blueprint, plan: AgentPlan) -> NodeEngine | None:
    return next(
        (engine for engine in blueprint.engines if engine.node == plan.node), None
    )
