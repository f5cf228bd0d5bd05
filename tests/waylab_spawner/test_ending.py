"""The end of a lab against a real board: freed on proof, lost otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.waylab_spawner.labs import EXITED, ScriptedLab

from waylab_board.testing import FakeNode, RunningBoard, gpus, running_board
from waylab_ledger.client import BoardClient, BoardUnreachable
from waylab_ledger.values import Found, Holder, Lease
from waylab_site.model import Node, Profile, Queue, Site
from waylab_spawner.desk import Desk, Wish
from waylab_spawner.ending import Ending
from waylab_spawner.errors import BoardAway, LeaseRefused, NoDeviceFree
from waylab_spawner.options import Choice
from waylab_spawner.order import Unknown

ONE = Profile(name="one", title="One", gpus=1)
HUNG = Unknown("the engine of vision does not answer")


class AnswersGetLost(BoardClient):
    """A board that takes a lease, and whose answer never arrives."""

    hangs = False

    async def take(self, lease: str, taker: str) -> Lease:
        # Whoever gives up while the board works has lost the answer, too.
        is_first, self.lost = not self.lost, True
        taken = await super().take(lease, taker)
        if not is_first:
            return taken
        if self.hangs:
            await asyncio.Event().wait()
        msg = "the answer got lost"
        raise BoardUnreachable(msg)

    lost = False


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBoard]:
    site = Site(
        nodes=(Node(name="vision", engine="simulated", devices="cpu"),),
        queues=(Queue(name="default"),),
        profiles=(ONE,),
    )
    with running_board(tmp_path_factory.mktemp("board"), site) as running:
        yield running


@pytest.fixture(scope="module")
def node(board: RunningBoard) -> Iterator[FakeNode]:
    node = FakeNode(board, "vision", gpus("vision", 1))
    yield node
    node.board.close()


@pytest.fixture
async def desk(board: RunningBoard, node: FakeNode) -> AsyncIterator[Desk]:
    node.found = ()
    node.report()
    async with board.client(patience_seconds=1.0) as client:
        desk = Desk(client, retry_seconds=0.1)
        yield desk
        await desk.close()


def _wish(user: str, key: str, **choice: object) -> Wish:
    chosen = Choice(ONE, ("vision",), None, 1, **choice)  # type: ignore[arg-type]
    holder = Holder.lab(user)
    return Wish(key, holder, user, (), chosen, {"profile": "one"})


def _ending(desk: Desk, lab: ScriptedLab | None, lease: str) -> Ending:
    return Ending(desk, "ann", lab, lease, "its user stopped it", 10.0)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another process decides.
            await asyncio.sleep(0.02)


def _held(board: RunningBoard) -> list[str]:
    return [str(lease.state) for lease in board.state().leases]


async def test_a_proof_frees_and_then_clears_away(
    board: RunningBoard, desk: Desk
) -> None:
    lease = await desk.obtain(_wish("ann", "e1"))
    await desk.activate(lease.id, "engine-of-vision", "c1")
    lab = ScriptedLab(EXITED)

    await _ending(desk, lab, lease.id).finish()

    assert _held(board) == []
    assert (lab.graces, lab.cleared) == ([10.0], 1)


async def test_a_start_that_came_to_nothing_gives_its_lease_back(
    board: RunningBoard, desk: Desk
) -> None:
    lease = await desk.obtain(_wish("ann", "e2"))

    await _ending(desk, None, lease.id).finish()

    assert _held(board) == []


async def test_without_a_proof_the_lease_is_lost_until_there_is_one(
    board: RunningBoard, desk: Desk, node: FakeNode
) -> None:
    lease = await desk.obtain(_wish("ann", "e3"))
    await desk.activate(lease.id, "engine-of-vision", "c1")
    node.found = (Found("c1", lease.id, "lab:ann/", lease.devices, "running"),)
    lab = ScriptedLab(HUNG, HUNG, EXITED)

    await _ending(desk, lab, lease.id).finish()

    (shown,) = board.state().leases
    assert (shown.state, shown.reason) == ("lost", HUNG.reason)
    assert lab.cleared == 0
    await _until(lambda: lab.cleared == 1)
    assert _held(board) == []
    assert lab.graces == [10.0, 0.0, 0.0]


async def test_a_board_that_is_away_is_told_of_the_end_later(
    board: RunningBoard, desk: Desk
) -> None:
    lease = await desk.obtain(_wish("ann", "e4"))
    await desk.activate(lease.id, "engine-of-vision", "c1")
    lab = ScriptedLab(EXITED)
    board.kill()
    try:
        await _ending(desk, lab, lease.id).finish()
        assert lab.cleared == 0
    finally:
        board.start()

    await _until(lambda: lab.cleared == 1)
    assert _held(board) == []
    assert len(lab.graces) == 1


async def test_a_wish_that_is_repeated_keeps_its_place_and_another_does_not(
    board: RunningBoard, desk: Desk
) -> None:
    lease = await desk.obtain(_wish("ann", "e5"))
    with pytest.raises(NoDeviceFree) as first:
        await desk.obtain(_wish("bob", "e6"))
    with pytest.raises(NoDeviceFree) as again:
        await desk.obtain(_wish("bob", "e7"))
    with pytest.raises(NoDeviceFree) as other:
        await desk.obtain(_wish("bob", "e8", limit_seconds=60))

    assert again.value.ticket == first.value.ticket != other.value.ticket
    assert again.value.place.startswith("place 1")
    assert [ticket.id for ticket in board.state().line] == [other.value.ticket]
    board.call("DELETE", f"/tickets/{other.value.ticket}")
    await _ending(desk, None, lease.id).finish()


async def test_a_lease_is_taken_by_its_own_lab_only(
    board: RunningBoard, desk: Desk
) -> None:
    lease = await desk.obtain(_wish("ann", "e9"))

    with pytest.raises(LeaseRefused, match="set aside for another lab"):
        await desk.obtain(_wish("bob", "e10", lease=lease.id))
    with pytest.raises(LeaseRefused, match="does not exist"):
        await desk.obtain(_wish("bob", "e11", lease="none"))

    await _ending(desk, None, lease.id).finish()
    with pytest.raises(LeaseRefused, match="not claimed in time"):
        await desk.obtain(_wish("ann", "e12", lease=lease.id))
    assert _held(board) == []


async def _set_aside(board: RunningBoard, desk: Desk, user: str, key: str) -> str:
    """Give a lease that `user` got by waiting in line."""
    before = await desk.obtain(_wish("ann", f"{key}-before"))
    with pytest.raises(NoDeviceFree):
        await desk.obtain(_wish(user, key))
    await _ending(desk, None, before.id).finish()
    await _until(lambda: _held(board) == ["pending"])
    return board.state().leases[0].id


@pytest.mark.parametrize("hangs", [False, True], ids=["no answer", "given up"])
async def test_a_taken_lease_whose_start_was_cut_off_is_given_back(
    board: RunningBoard, desk: Desk, hangs: bool
) -> None:
    lease = await _set_aside(board, desk, "bob", f"e15-{hangs}")
    wish = _wish("bob", f"e16-{hangs}", lease=lease)
    async with AnswersGetLost(board.url, board.hub_token) as client:
        client.hangs = hangs
        losing = Desk(client, epoch=desk.epoch, retry_seconds=0.1)
        start = asyncio.create_task(losing.obtain(wish))
        if hangs:
            await _until(lambda: _held(board) == ["granted"])
            start.cancel()
        with pytest.raises((BoardAway, asyncio.CancelledError)):
            await start
        with pytest.raises(LeaseRefused):
            await losing.obtain(wish)

        await _until(lambda: _held(board) == [])
        await losing.close()


async def test_a_lease_is_for_one_start_whatever_became_of_its_lab(
    board: RunningBoard, desk: Desk, node: FakeNode
) -> None:
    lease = await _set_aside(board, desk, "bob", "e17")
    wish = _wish("bob", "e18", lease=lease)
    await desk.obtain(wish)
    with pytest.raises(LeaseRefused, match="for one start"):
        await desk.obtain(wish)
    await desk.activate(lease, "engine-of-vision", "c1")
    with pytest.raises(LeaseRefused, match="for one start"):
        await desk.obtain(wish)
    node.found = (Found("c1", lease, "lab:bob/", ("GPU-0",), "running"),)
    lab = ScriptedLab(HUNG, EXITED)
    await _ending(desk, lab, lease).finish()

    with pytest.raises(LeaseRefused):
        await desk.obtain(wish)
    await _until(lambda: lab.cleared == 1)
    assert _held(board) == []


async def test_a_board_that_is_away_grants_nothing_and_keeps_nothing(
    board: RunningBoard, desk: Desk
) -> None:
    await desk.board()
    board.kill()
    try:
        with pytest.raises(BoardAway):
            await desk.obtain(_wish("ann", "e13"))
    finally:
        board.start()
    assert _held(board) == []


async def test_a_site_without_a_board_says_so() -> None:
    with pytest.raises(BoardAway, match="has no board"):
        await Desk(None).obtain(_wish("ann", "e14"))


def test_a_request_carries_what_starts_the_lab_later(tmp_path: Path) -> None:
    del tmp_path
    wish = _wish("ann", "k", limit_seconds=5400)

    assert wish.note == "One, 1.5 h"
    assert wish.request.holder == Holder.lab("ann")
    assert wish.options == {"profile": "one"}
