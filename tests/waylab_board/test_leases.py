"""From a request to a released lease, over REST."""

from __future__ import annotations

import asyncio

import pytest
from tests.waylab_board.conftest import EPOCH, Ask, hub

from waylab_board.testing import FakeNode, RunningBoard
from waylab_ledger.client import (
    BoardClient,
    BoardForbids,
    BoardUnreachable,
    LeaseGone,
    NotFound,
    Refused,
)
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


def seen(lease: Lease, id_: str = "c1") -> Found:
    return Found(id_, lease.id, lease.request.holder.text, lease.devices, "running")


async def test_a_lab_takes_devices_runs_on_them_and_gives_them_back(
    board: RunningBoard, vision: FakeNode
) -> None:
    request = Request("k", Holder.lab("ada"), "ada", Selector(count=2))
    async with board.client() as client:
        lease = await client.request(request, EPOCH)
        assert isinstance(lease, Lease)
        active = await client.activate(
            lease.id, engine_id="engine-of-vision", found="c1"
        )
        vision.found = (seen(lease),)
        await asyncio.to_thread(vision.report)
        await client.releasing(lease.id, "stopped by its user")
        proof = Proof(ProofKind.EXITED, EPOCH, engine_id="engine-of-vision")
        await client.release(lease.id, proof)
        await client.release(lease.id, proof)
        over = await client.lease(lease.id)

    assert lease.state is LeaseState.GRANTED
    assert lease.devices == ("GPU-vision-0", "GPU-vision-1")
    assert active.state is LeaseState.ACTIVE
    assert over.state is LeaseState.RELEASED
    assert board.state().leases == ()


def test_the_same_key_gets_the_same_lease(vision: FakeNode, ask: Ask) -> None:
    assert ask("ada", key="spawn-1") == ask("ada", key="spawn-1")


def test_who_comes_too_late_gets_a_ticket_and_then_a_lease(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    first = ask("ada", Selector(count=2))
    second = ask("bob", options='{"profile": "one"}')
    assert isinstance(first, Lease)
    assert isinstance(second, Ticket)
    place = board.call("GET", f"/tickets/{second.id}").json()
    assert (place["position"], place["wants"]) == (1, "1 × GPU")  # noqa: RUF001

    never = {"proof": {"kind": "never-started", "by": EPOCH}}
    hub(board, "POST", f"/leases/{first.id}/release", never).raise_for_status()
    state = board.until(lambda state: bool(state.leases))

    [lease] = state.leases
    assert (lease.user, lease.state) == ("bob", LeaseState.PENDING)
    taken = hub(board, "POST", f"/leases/{lease.id}/take", {"taker": EPOCH})
    assert taken.json()["state"] == "granted"
    assert taken.json()["request"]["options"] == '{"profile": "one"}'


async def test_errors_come_to_the_client_as_what_they_are(
    board: RunningBoard, vision: FakeNode, nlp: FakeNode
) -> None:
    async with board.client() as client:
        with pytest.raises(NotFound, match="no lease nothing"):
            await client.lease("nothing")
        request = Request("k", Holder.lab("ada"), "ada", Selector(nodes=("vision",)))
        lease = await client.request(request, EPOCH)
        proof = Proof(ProofKind.NEVER_STARTED, EPOCH)
        await client.release(lease.id, proof)
        with pytest.raises(LeaseGone):
            await client.take(lease.id, EPOCH)
        many = Selector(count=99, nodes=("vision",))
        with pytest.raises(Refused, match="RTX 4090"):
            await client.request(Request("m", Holder.lab("b"), "b", many), EPOCH)
    async with BoardClient(board.url, "wrong") as stranger:
        with pytest.raises(BoardForbids):
            await stranger.state()


async def test_a_call_that_meets_a_restart_is_sent_again(
    board: RunningBoard, vision: FakeNode
) -> None:
    request = Request("k", Holder.lab("ada"), "ada", Selector())
    async with board.client(patience_seconds=30) as client:
        before = await client.request(request, EPOCH)
        board.kill()
        asking = asyncio.create_task(client.request(request, EPOCH))
        await asyncio.to_thread(board.start)

        assert await asking == before


async def test_a_board_that_is_away_is_given_up_after_a_while() -> None:
    async with BoardClient("http://127.0.0.1:9", "x", patience_seconds=0.3) as client:
        with pytest.raises(BoardUnreachable, match=r"within 0\.3 s"):
            await client.state()


def test_an_admin_ends_a_lab_that_was_set_aside(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada", take=False)

    ended = board.call("POST", f"/leases/{lease.id}/end", {"reason": "maintenance"})

    assert ended.json()["state"] == "released"
    assert board.state().leases == ()


def test_nonsense_is_refused_with_the_field_at_fault(board: RunningBoard) -> None:
    wrong = hub(board, "POST", "/requests", {"request": {"key": 1}})
    foreign = hub(
        board,
        "POST",
        "/requests",
        {
            "request": {
                "key": "k",
                "holder": {"text": "lab:eve/"},
                "user": "ada",
                "selector": {},
            }
        },
    )

    assert wrong.status_code == 400
    assert "body.request.key" in wrong.json()["message"]
    assert foreign.status_code == 400
    assert foreign.json()["message"] == "lab:eve/ is no lab of ada."


def test_a_lab_whose_time_limit_is_over_is_ended(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada", limit=1)
    running = {"engine_id": "engine-of-vision", "found": "c1"}
    hub(board, "POST", f"/leases/{lease.id}/active", running).raise_for_status()

    state = board.until(lambda it: it.leases[0].state is LeaseState.RELEASING)

    assert state.leases[0].reason == "its time limit is over"
