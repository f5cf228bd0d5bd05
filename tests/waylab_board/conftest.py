from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from waylab_board.testing import FakeNode, RunningBoard, gpus, running_board, slots
from waylab_ledger.values import DeviceKind, Holder, Lease, Request, Selector, Ticket
from waylab_ledger.wire import Answer, decode, encode
from waylab_site.model import Node, Priority, Profile, Queue, Site

Ask = Callable[..., Lease | Ticket]
EPOCH = "hub-of-tests"


@pytest.fixture(scope="session")
def site() -> Site:
    return Site(
        nodes=(
            Node(name="vision", address="vision.invalid", description="Two cards"),
            Node(name="nlp", address="nlp.invalid"),
            Node(name="cpu", address="cpu.invalid", devices="cpu"),
        ),
        queues=(
            Queue(name="vision", nodes=("vision",), priority=Priority.HIGH),
            Queue(name="nlp", nodes=("nlp",), priority=Priority.MEDIUM),
            Queue(name="default", priority=Priority.LOW),
            Queue(name="small", nodes=("cpu",)),
        ),
        profiles=(
            Profile(name="notebook", title="Notebook without a GPU"),
            Profile(name="one", title="One A100", gpus=1, nodes=("nlp",)),
        ),
    )


@pytest.fixture
def board(tmp_path: Path, site: Site) -> Iterator[RunningBoard]:
    with running_board(tmp_path / "board", site) as board:
        hub(board, "POST", "/epochs", {"epoch": EPOCH}).raise_for_status()
        yield board


@pytest.fixture
def vision(board: RunningBoard) -> FakeNode:
    return FakeNode(board, "vision", gpus("vision", 2, "RTX 4090", 24))


@pytest.fixture
def nlp(board: RunningBoard) -> FakeNode:
    services = slots("nlp", 2, DeviceKind.SERVICE)
    return FakeNode(board, "nlp", (*gpus("nlp", 4), *services))


@pytest.fixture
def ask(board: RunningBoard) -> Ask:
    """Asks for a lab's lease as the hub does."""
    count = 0

    def ask(  # noqa: PLR0913 - what tests vary, all named but the user.
        user: str,
        selector: Selector | None = None,
        *,
        take: bool = True,
        key: str = "",
        limit: int | None = None,
        options: str = "",
    ) -> Lease | Ticket:
        nonlocal count
        count += 1
        request = Request(
            key=key or f"{user}-{count}",
            holder=Holder.lab(user),
            user=user,
            selector=selector or Selector(),
            limit_seconds=limit,
            options=options,
        )
        body = {"request": encode(request), "taker": EPOCH if take else None}
        answer = hub(board, "POST", "/requests", body).raise_for_status()
        given = decode(Answer, answer.json())
        found = given.lease or given.ticket
        assert found is not None
        return found

    return ask


def hub(
    board: RunningBoard, method: str, path: str, body: object = None
) -> httpx.Response:
    """Send a request as the hub's process."""
    return board.call(method, path, body, token=board.hub_token)
