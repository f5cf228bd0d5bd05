"""Every answer of an engine, to a hub that runs and to one that starts.

A real board holds the lease; the engine lies. The lease is freed in exactly the cells
that prove the lab's end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from tests.waylab_engine.lying import CONTAINER, ID, Answer, LyingEngine, lying_engine
from tests.waylab_spawner.cells import CELLS
from tests.waylab_spawner.labs import close, docker_lab

from waylab_board.testing import FakeNode, RunningBoard, gpus, running_board
from waylab_engine.address import EngineAddress
from waylab_ledger.client import BoardClient
from waylab_ledger.values import Found, Holder, Lease, LeaseState, ProofKind
from waylab_site.model import Node, Profile, Queue, Site
from waylab_spawner.desk import Desk, Wish
from waylab_spawner.docker_lab import DockerLab
from waylab_spawner.ending import Ending
from waylab_spawner.options import Choice

pytestmark = [
    # docker's SDK leaves closing its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("tidy"),
]
ONE = Profile(name="one", title="One", gpus=1)


class Ground:
    """A board with one GPU, and the hub's processes one after the other."""

    def __init__(self, board: RunningBoard, client: BoardClient) -> None:
        self.board = board
        self.node = FakeNode(board, "vision", gpus("vision", 1))
        self._client = client
        self._hubs = 0
        self._desks: list[Desk] = []

    def hub_starts(self) -> Desk:
        """Begin a new process of the hub: the one before is dead."""
        self._hubs += 1
        epoch = f"{self.node.epoch}-hub-{self._hubs}"
        desk = Desk(self._client, epoch=epoch, retry_seconds=60.0)
        self._desks.append(desk)
        return desk

    async def lab_runs(self, desk: Desk) -> Lease:
        """Let a lab hold the GPU, and run."""
        key = f"{desk.epoch}-lab"
        choice = Choice(ONE, ("vision",), None, 1)
        wish = Wish(key, Holder.lab("ann"), "ann", (), choice, {"profile": "one"})
        lease = await desk.obtain(wish)
        await desk.activate(lease.id, ID, CONTAINER)
        holder = lease.request.holder.text
        self.node.found = (
            Found(CONTAINER, lease.id, holder, lease.devices, "running"),
        )
        return lease

    async def state(self, lease: Lease) -> LeaseState:
        """Give a lease's state."""
        return (await self._client.lease(lease.id)).state

    async def clear(self) -> None:
        """Vouch that nothing runs, and let the node report."""
        for desk in self._desks:
            await desk.close()
        self.node.found = ()
        fence = self.board.call("POST", "/nodes/vision/fence", {"confirm": "vision"})
        fence.raise_for_status()
        for _ in range(2):
            await asyncio.to_thread(self.node.report)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBoard]:
    site = Site(
        nodes=(Node(name="vision", engine="simulated", devices="cpu"),),
        queues=(Queue(name="default"),),
        profiles=(ONE,),
    )
    with running_board(tmp_path_factory.mktemp("board"), site) as running:
        yield running


@pytest.fixture
async def site(board: RunningBoard) -> AsyncIterator[Ground]:
    async with board.client(patience_seconds=1.0) as client:
        site = Ground(board, client)
        yield site
        await site.clear()
        site.node.board.close()


@pytest.mark.parametrize("hub", ["running", "starting"])
@pytest.mark.parametrize("cell", [*CELLS, None], ids=lambda c: c[0] if c else "refused")
async def test_a_lease_is_freed_in_exactly_the_proven_cells(
    site: Ground,
    cell: tuple[str, Callable[[LyingEngine], Answer], Answer | None, object] | None,
    hub: str,
) -> None:
    desk = site.hub_starts()
    lease = await site.lab_runs(desk)
    if hub == "starting":
        desk = site.hub_starts()
    with lying_engine() as engine:
        expected = None
        address = engine.address
        if cell is None:
            address = EngineAddress("tcp://127.0.0.1:9")
        else:
            _, container, info, expected = cell
            engine.container = container(engine)
            engine.info = [info or engine.hang]
        lab = docker_lab(address)

        looked = await _as_the_hub_looks(desk, lab, lease)
        after_a_look = await site.state(lease)
        await Ending(desk, "ann", lab, lease.id, "stopped", 0.0).attempt()
        after_a_stop = await site.state(lease)

        engine.over.set()
        close(lab)
    if isinstance(expected, ProofKind):
        assert looked is not None
        assert after_a_look is after_a_stop is LeaseState.RELEASED
    else:
        assert looked is None
        assert after_a_look is LeaseState.ACTIVE
        assert after_a_stop is LeaseState.LOST


async def _as_the_hub_looks(desk: Desk, lab: DockerLab, lease: Lease) -> int | None:
    """Poll, and clear up after an end that JupyterHub learns of."""
    status = await lab.poll()
    if status is not None:
        await Ending(desk, "ann", lab, lease.id, "it ended", 0.0).finish()
    return status
