"""Puts an agent together from its settings."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from waylab_agent.agent import Agent
from waylab_agent.blueprint import Grounds
from waylab_agent.containers import ContainerRuntime
from waylab_agent.devices import Devices
from waylab_agent.errors import SettingsError
from waylab_agent.exchange import Exchange
from waylab_agent.gate import Gate
from waylab_agent.journal import Journal
from waylab_agent.leases import LedgerGate
from waylab_agent.local import LocalRuntime
from waylab_agent.machine import Machine
from waylab_agent.means import Means, Place
from waylab_agent.outbox import Outbox
from waylab_agent.own_engine import check_named
from waylab_agent.owners import BoardOwners, Owners, TokenOwners
from waylab_agent.settings import AgentSettings
from waylab_agent.slots import SlotGate, slots_of
from waylab_agent.tools import prepare
from waylab_agent.workers import Workers
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_engine.address import EngineAddress
from waylab_engine.engine import Engine
from waylab_ledger.client import NodeBoard
from waylab_site.accounts import Accounts
from waylab_site.model import Site

REQUEST_SECONDS = 5.0
"""Bounds each request, retries included: the loop goes round without a server too."""
_EPOCH_BYTES = 8


@contextmanager
def assembled(settings: AgentSettings, journal: Journal) -> Iterator[Agent]:
    """Give the agent that the settings describe; its connections end with the block.

    Raises:
        SettingsError: a file that the settings name cannot be used.
        JournalError: the state's folder cannot be used.
    """
    epoch = f"agent:{settings.node}:{secrets.token_hex(_EPOCH_BYTES)}"
    with ExitStack() as stack:
        client = stack.enter_context(
            Client(_credentials(settings), timeout_seconds=REQUEST_SECONDS)
        )
        site = _site(settings)
        check_named(settings, site)
        board: NodeBoard | None = None
        if settings.board_url is not None:
            board = stack.enter_context(_board(settings, settings.board_url))
        place = Place(
            settings=settings,
            client=client,
            owners=_owners(settings, client, board, site),
            accounts=Accounts(settings.homes, settings.isolated),
            epoch=epoch,
        )
        devices = Devices(settings)
        stack.callback(devices.close)
        processes = LocalRuntime(place)
        containers = _containers(place, devices, site)
        if containers is not None:
            stack.callback(containers.close)
        runtime = containers or processes
        exchange: Exchange | None = None
        slots = slots_of(settings) if settings.board_url is None else ()
        gate: Gate = SlotGate(slots)
        if board is not None:
            outbox = Outbox(settings.state)
            gate = LedgerGate(board, outbox, epoch=epoch, slot_of=devices.slot_of)
            every = settings.board_seconds
            exchange = Exchange(settings.node, gate, devices, runtime.sight, every)
        means = Means(
            settings=settings,
            client=place.client,
            accounts=place.accounts,
            owners=place.owners,
            epoch=epoch,
            gate=gate,
            journal=journal,
            processes=processes,
            containers=containers,
        )
        workers = Workers(place.client, settings.node, Machine(settings.state))
        shown = devices.slots if exchange is not None else lambda: slots
        yield Agent(means, workers, shown, exchange)


def _board(settings: AgentSettings, url: str) -> NodeBoard:
    file = settings.board_token_file
    try:
        token = file.read_text("utf-8").strip() if file is not None else ""
    except OSError as error:
        msg = f"Cannot read the node's token in {file}: {error.strerror}."
        raise SettingsError(msg) from error
    return NodeBoard(
        url, token, timeout_seconds=REQUEST_SECONDS, patience_seconds=REQUEST_SECONDS
    )


def _site(settings: AgentSettings) -> Site | None:
    if settings.site_file is None:
        return None
    try:
        return Site.model_validate_json(settings.site_file.read_bytes())
    except (OSError, ValueError) as error:
        msg = f"Cannot read the site in {settings.site_file}: {error}"
        raise SettingsError(msg) from error


def _owners(
    settings: AgentSettings,
    client: Client,
    board: NodeBoard | None,
    site: Site | None,
) -> Owners:
    is_external = site is not None and site.tracking.is_external
    if board is None and not is_external:
        return TokenOwners(client, settings)
    if board is None:
        msg = (
            "The site has a ClearML Server, whose users' keys the board keeps: set "
            "WAYLAB_AGENT_BOARD_URL."
        )
        raise SettingsError(msg)
    return BoardOwners(board, settings, agent_may_edit=is_external)


def _containers(
    place: Place, devices: Devices, site: Site | None
) -> ContainerRuntime | None:
    settings = place.settings
    if settings.engine is None or site is None:
        return None
    try:
        address = EngineAddress(settings.engine, tls_folder=settings.engine_tls)
        tools = prepare(settings.state)
    except (OSError, ValueError) as error:
        msg = f"The node's engine cannot be used for jobs: {error}"
        raise SettingsError(msg) from error
    engine = Engine(address, timeout_seconds=REQUEST_SECONDS)
    return ContainerRuntime(Grounds(place, site, tools), engine, devices.all)


def _credentials(settings: AgentSettings) -> Credentials:
    try:
        keys = json.loads(settings.key_file.read_text("utf-8"))
        access_key, secret_key = str(keys["access_key"]), str(keys["secret_key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"Cannot read the agent's keys in {settings.key_file} "
            f"(access_key, secret_key): {error}"
        )
        raise SettingsError(msg) from error
    return Credentials(
        api_url=settings.api_url,
        web_url=settings.web_url,
        files_url=settings.files_url,
        access_key=access_key,
        secret_key=secret_key,
    )
