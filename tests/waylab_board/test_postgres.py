"""The board over a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_board.conftest import EPOCH
from tests.waylab_ledger.postgres import NoPostgresError, running_postgres

from waylab_board.testing import FakeNode, RunningBoard, gpus, running_board
from waylab_ledger.values import (
    Found,
    Holder,
    Lease,
    LeaseState,
    Proof,
    ProofKind,
    Request,
    Selector,
    Ticket,
)
from waylab_site.model import Site


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    try:
        with running_postgres() as server:
            yield server.create_database("board")
    except NoPostgresError as error:
        pytest.skip(str(error))


@pytest.fixture
def board(tmp_path: Path, site: Site, url: str) -> Iterator[RunningBoard]:
    with running_board(tmp_path / "board", site, database_url=url) as board:
        yield board


async def test_leases_and_tickets_survive_a_crash_of_the_board(
    board: RunningBoard,
) -> None:
    vision = FakeNode(board, "vision", gpus("vision", 2, "RTX 4090", 24))
    async with board.client() as client:
        await client.epoch(EPOCH)
        both = Request("k1", Holder.lab("ada"), "ada", Selector(count=2))
        lease = await client.request(both, EPOCH)
        assert isinstance(lease, Lease)
        await client.activate(lease.id, engine_id="engine-of-vision", found="c1")
        one = Request("k2", Holder.lab("bob"), "bob", Selector())
        ticket = await client.request(one, None)
        assert isinstance(ticket, Ticket)

        await asyncio.to_thread(board.restart)

        assert (await client.lease(lease.id)).state is LeaseState.ACTIVE
        assert (await client.request(one, None)).id == ticket.id
        holder = lease.request.holder.text
        vision.found = (Found("c1", lease.id, holder, lease.devices, "running"),)
        await asyncio.to_thread(vision.report)
        assert board.call("GET", "/audit").json() == []
        proof = Proof(ProofKind.EXITED, EPOCH, engine_id="engine-of-vision")
        await client.release(lease.id, proof)
    state = board.until(lambda state: bool(state.leases))
    assert [(one.user, one.state) for one in state.leases] == [
        ("bob", LeaseState.PENDING)
    ]
