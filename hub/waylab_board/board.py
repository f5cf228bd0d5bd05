"""The parts of a board, put together."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waylab_board.agent_keys import AgentKeys
from waylab_board.books import Books
from waylab_board.callers import Callers
from waylab_board.errors import ConfigurationError
from waylab_board.hub import Hub
from waylab_board.job_tokens import JobTokens
from waylab_board.keeper import Keeper
from waylab_board.keyring import Keyring, Owners
from waylab_board.labs import Labs
from waylab_board.metrics import Metrics
from waylab_board.mirror import Mirror
from waylab_board.node_keys import NodeKeys
from waylab_board.operator_file import operator_token
from waylab_board.pc_keys import PcKeys
from waylab_board.queues import Queues
from waylab_board.settings import BoardSettings
from waylab_board.shown import board_state
from waylab_board.signin import SignIn
from waylab_board.stream import Stream
from waylab_board.troubles import Troubles
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_ledger.ledger import Ledger
from waylab_ledger.values import NodeReport
from waylab_ledger.views import NodePlan
from waylab_ledger.wire import BoardState
from waylab_site.model import HUB_NODE, Site

_log = logging.getLogger(__name__)
_TRACKING_SECONDS = 5.0


@dataclass
class Board:
    """What the requests work with; `run` keeps it alive."""

    settings: BoardSettings
    site: Site
    books: Books
    hub: Hub
    sign_in: SignIn
    node_keys: NodeKeys
    callers: Callers
    stream: Stream
    metrics: Metrics
    troubles: Troubles
    labs: Labs
    queues: Queues | None
    agent_keys: AgentKeys | None
    mirror: Mirror | None
    keyring: Keyring | None
    """The users' ClearML keys, where they bring their own."""
    job_tokens: JobTokens | None
    """Tokens of jobs, where the embedded server makes them."""
    pc_keys: PcKeys | None
    """The keys of users' PCs, where the embedded server makes them."""
    reports: dict[str, NodeReport] = field(default_factory=dict)
    """The last report of each node since this process began."""

    async def state(self) -> BoardState:
        """Give what the board shows."""
        view = await self.books.view()
        return board_state(view, self.site, self.reports, self.troubles.sentences())

    def hint(self) -> None:
        """Look at the queues now."""
        if self.mirror is not None:
            self.mirror.hint()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the board's own work going meanwhile."""
        plans = node_plans(self.site)
        await self.books.write("declare", lambda book, now: book.declare(plans, now))
        keeper = Keeper(
            self.books, self.stream, self.metrics, self.troubles, self.labs.wake
        )
        works: list[Coroutine[Any, Any, None]] = [keeper.run()]
        if self.hub.is_set_up:
            works.append(self.labs.run())
        if self.mirror is not None:
            works.append(self.mirror.run())
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.books.close)
            stack.push_async_callback(self.hub.close)
            tasks = [asyncio.create_task(_lasting(work)) for work in works]
            stack.push_async_callback(_cancel, tasks)
            stack.callback(self.stream.close)
            yield


def make(settings: BoardSettings) -> Board:
    """Put a board together; nothing runs yet.

    Raises:
        ConfigurationError: a file of the settings cannot be used.
        LedgerError: the ledger cannot be opened.
    """
    site = _site(settings.site_file)
    hub_token = _word(settings.hub_token_file)
    metrics, troubles = Metrics(), Troubles()
    hub = Hub(settings.hub_api_url, hub_token)
    sign_in = _sign_in(settings, hub)
    node_keys = NodeKeys(settings.node_keys_folder)
    callers = Callers(
        service=settings.service,
        site=site,
        hub=hub,
        sign_in=sign_in,
        node_keys=node_keys,
        hub_token=hub_token,
        operator_token=operator_token(settings),
    )
    books = Books(Ledger.open(settings.database_url), metrics.called)
    tracking = _tracking(settings)
    queues = agent_keys = mirror = job_tokens = pc_keys = None
    keyring = _keyring(settings, site)
    if tracking is not None:
        owners = Owners(keyring, site.jobs.unknown_owner) if keyring else None
        client = Client(tracking, timeout_seconds=_TRACKING_SECONDS)
        queues = Queues(client, owners)
        if keyring is None:
            agent_keys, job_tokens = AgentKeys(tracking), JobTokens(client)
            pc_keys = PcKeys(tracking)
        mirror = Mirror(
            site, books, queues, hub, troubles, seconds=settings.mirror_seconds
        )
    return Board(
        settings=settings,
        site=site,
        books=books,
        hub=hub,
        sign_in=sign_in,
        node_keys=node_keys,
        callers=callers,
        stream=Stream(),
        metrics=metrics,
        troubles=troubles,
        labs=Labs(books, hub, troubles),
        queues=queues,
        agent_keys=agent_keys,
        mirror=mirror,
        keyring=keyring,
        job_tokens=job_tokens,
        pc_keys=pc_keys,
    )


def node_plans(site: Site) -> list[NodePlan]:
    """Give what the ledger is told of the nodes.

    The hub's machine has slots for controllers even where it is no node of the site.
    """
    plans = [
        NodePlan(node.name, large=node.large, processes=not node.names_engine)
        for node in site.nodes
    ]
    if site.local_node is None:
        plans.append(NodePlan(HUB_NODE, processes=True))
    return plans


def _site(path: Path) -> Site:
    try:
        return Site.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        msg = f"The site in {path} cannot be read: {error}"
        raise ConfigurationError(msg) from error


def _keyring(settings: BoardSettings, site: Site) -> Keyring | None:
    folder, key_file = settings.keyring_folder, settings.keyring_key_file
    if not site.tracking.is_external:
        return None
    if folder is None or key_file is None or settings.tracking_key_file is None:
        msg = (
            "The site names a ClearML Server: set WAYLAB_BOARD_KEYRING_FOLDER and "
            "WAYLAB_BOARD_KEYRING_KEY_FILE for its users' keys, and "
            "WAYLAB_BOARD_TRACKING_KEY_FILE for the board's own."
        )
        raise ConfigurationError(msg)
    return Keyring(folder, key_file, site.tracking)


def _word(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        msg = f"The token in {path} cannot be read: {error.strerror}."
        raise ConfigurationError(msg) from error


def _sign_in(settings: BoardSettings, hub: Hub) -> SignIn:
    try:
        return SignIn(settings, hub)
    except OSError as error:
        msg = f"The secret in {settings.oauth_secret_file} cannot be read: {error}"
        raise ConfigurationError(msg) from error


def _tracking(settings: BoardSettings) -> Credentials | None:
    if not settings.tracking_api_url or settings.tracking_key_file is None:
        return None
    try:
        keys = json.loads(settings.tracking_key_file.read_text("utf-8"))
        return Credentials(
            api_url=settings.tracking_api_url,
            web_url=settings.tracking_api_url,
            files_url=f"{settings.tracking_api_url}/files",
            access_key=str(keys["access_key"]),
            secret_key=str(keys["secret_key"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"The keys in {settings.tracking_key_file} cannot be read: {error}"
        raise ConfigurationError(msg) from error


async def _lasting(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        # For a reason that nobody thought of: a board that does half of its work
        # would deceive; whoever supervises it starts it again.
        _log.exception("A part of the board ended: so does the board")
        signal.raise_signal(signal.SIGTERM)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
