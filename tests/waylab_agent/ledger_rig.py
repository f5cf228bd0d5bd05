"""A real board over the real tracking server, and agents that ask it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.faulty import FaultyServer
from tests.waylab_agent.rig import AgentProcess, Rig

from waylab_board.testing import RunningBoard, running_board
from waylab_ledger.values import LeaseState
from waylab_ledger.wire import LeaseShown
from waylab_site.model import Image, Node, Queue, Site

NODES = ("n1", "n2")


@dataclass
class LedgerRig:
    """A board that mirrors the rig's queue; its agents hold leases."""

    rig: Rig
    board: RunningBoard
    environment: dict[str, str] = field(default_factory=dict)

    def start_agent(
        self, node: str = "n1", proxy: FaultyServer | None = None, **settings: str
    ) -> AgentProcess:
        """Start an agent of a node; it asks the board through the proxy, if any."""
        token = self.rig.home / f"{node}.token"
        if not token.exists():
            token.write_text(self.board.node_token(node))
        url = self.board.url
        if proxy is not None:
            url = f"{proxy.url}/services/gpus"
        values = {
            "BOARD_URL": url,
            "BOARD_TOKEN_FILE": str(token),
            "BOARD_SECONDS": "0.4",
            "SITE_ID": self.rig.queue,
            **settings,
        }
        return self.rig.start_agent(node, self.environment, **values)

    @contextmanager
    def of_a_test(self, folder: Path) -> Iterator[LedgerRig]:
        """Lend this rig to a test, which is to leave nothing held."""
        with self.rig.of_a_test(folder):
            yield self
        if self.board.has_ended:
            self.board.restart()
        self.wait_for_release()

    def lease_of(self, task: str) -> LeaseShown | None:
        """Give the lease that a task holds."""
        leases = self.board.state().leases
        return next((one for one in leases if one.holder == f"job:{task}"), None)

    def wait_for_lease(self, task: str, state: LeaseState) -> LeaseShown:
        """Wait until a task's lease is in a state."""

        def there() -> LeaseShown | None:
            lease = self.lease_of(task)
            return lease if lease is not None and lease.state is state else None

        return wait_until(there, lambda: f"{state}: {self.rig.logs()}")

    def wait_for_release(self, seconds: float = 30) -> None:
        """Wait until no lease is left, and every note about one is told."""

        def free() -> bool:
            return not self.board.state().leases

        wait_until(free, lambda: f"release: {self.rig.logs()}", seconds)

    def releases(self, node: str = "n1") -> list[Path]:
        """Give the notes of leases that the board has not heard of."""
        return list((self.rig.home / "agents" / node / "releases").iterdir())


@contextmanager
def running_ledger(
    rig: Rig,
    images: tuple[Image, ...] = (),
    engine: str = "auto",
    **environment: str,
) -> Iterator[LedgerRig]:
    """Run a board for the rig's queue; agents get `environment` too.

    `engine` is what the site says of the nodes' engines.
    """
    keys = rig.home / "system.json"
    access, secret = rig.server.system
    keys.write_text(json.dumps({"access_key": access, "secret_key": secret}))
    site = Site(
        nodes=tuple(
            Node(name=name, address=f"{name}.invalid", engine=engine) for name in NODES
        ),
        queues=(Queue(name=rig.queue, gpus=0),),
        images=images,
        profiles=(),
    )
    with running_board(
        rig.home / "board",
        site,
        tracking_api_url=rig.server.url,
        tracking_key_file=str(keys),
        mirror_seconds="0.4",
    ) as board:
        try:
            yield LedgerRig(rig, board, dict(environment))
        finally:
            rig.stop_agents()
