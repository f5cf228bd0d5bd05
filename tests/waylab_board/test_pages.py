"""The pages in a real browser, behind a real hub and its proxy."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.chromium import running_chromium
from tests.waylab_board.conftest import EPOCH, hub
from tests.waylab_board.hub import RunningHub, running_hub_and_board
from tests.waylab_board.test_hub import ask

from waylab_board.testing import FakeNode, RunningBoard, gpus, slots
from waylab_ledger.values import Selector
from waylab_site.model import Site

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, site: Site
) -> Iterator[tuple[RunningHub, RunningBoard]]:
    folder: Path = tmp_path_factory.mktemp("site")
    with running_hub_and_board(folder, site) as (jupyterhub, board):
        hub(board, "POST", "/epochs", {"epoch": EPOCH}).raise_for_status()
        yield jupyterhub, board


@pytest.fixture(scope="module")
def jupyterhub(both: tuple[RunningHub, RunningBoard]) -> RunningHub:
    return both[0]


@pytest.fixture(scope="module")
def board(both: tuple[RunningHub, RunningBoard]) -> RunningBoard:
    return both[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


def sign_in(page: Page, jupyterhub: RunningHub, name: str) -> None:
    page.goto(f"{jupyterhub.url}/hub/login?next=%2Fhub%2Fhome")
    page.fill("#username_input", name)
    page.fill("#password_input", "x")
    page.click("#login_submit")
    page.wait_for_url("**/hub/home")


def test_an_empty_board_says_what_is_missing(
    page: Page, jupyterhub: RunningHub, board: RunningBoard
) -> None:
    sign_in(page, jupyterhub, "ada")
    page.goto(f"{jupyterhub.url}/services/gpus/")

    expect(page.locator("#summary")).to_have_text("No node has a GPU. Nobody waits.")
    expect(page.locator("#nodes")).to_contain_text("Its agent has not reported yet.")


@pytest.fixture
def vision(board: RunningBoard) -> FakeNode:
    devices = (*gpus("vision", 2, "RTX 4090", 24), *slots("vision", 2))
    return FakeNode(board, "vision", devices)


@pytest.fixture
def clear(board: RunningBoard) -> Iterator[None]:
    """Leave nothing behind."""
    yield
    for ticket in board.state().line:
        board.call("DELETE", f"/tickets/{ticket.id}")
    for lease in board.state().leases:
        gone = {"proof": {"kind": "never-started", "by": EPOCH}}
        hub(board, "POST", f"/leases/{lease.id}/release", gone)


@pytest.mark.usefixtures("clear")
def test_the_board_follows_what_happens(
    page: Page, jupyterhub: RunningHub, board: RunningBoard, vision: FakeNode
) -> None:
    sign_in(page, jupyterhub, "ada")
    page.goto(f"{jupyterhub.url}/services/gpus/")
    expect(page.locator("#summary")).to_contain_text("2 of 2 GPUs are free.")
    expect(page.locator("#nodes").get_by_text("simulated")).to_be_visible()

    ask(board, "bob<b>", Selector(count=2, nodes=("vision",)), take=True)

    cards = page.locator(".gpus-device")
    expect(cards.first).to_contain_text("bob<b>")
    expect(cards.first).to_contain_text("starting")
    expect(page.locator("#summary")).to_contain_text("0 of 2 GPUs are free.")
    vision.utilisation = {
        "GPU-vision-1": {"gpu_percent": 77.0, "memory_used_bytes": 2.0 * 1024**3}
    }
    vision.report()
    expect(cards.nth(1)).to_contain_text("77 % · 2.0 GiB")
    # The driver does not tell how busy a slice is.
    vision.utilisation = {"GPU-vision-1": {"memory_used_bytes": 3.0 * 1024**3}}
    vision.report()
    expect(cards.nth(1)).to_contain_text("\N{EN DASH} % · 3.0 GiB")
    expect(cards.nth(1).get_by_role("progressbar")).to_have_count(0)
    expect(page.get_by_text("Fence…")).to_have_count(0)
    expect(page.get_by_text("End…")).to_have_count(0)


@pytest.mark.usefixtures("clear")
def test_who_waits_sees_the_place_and_goes_to_the_lab_when_it_starts(
    page: Page, jupyterhub: RunningHub, board: RunningBoard, vision: FakeNode
) -> None:
    held = ask(board, "bob", Selector(count=2, nodes=("vision",)), take=True)
    ask(board, "eve", Selector(nodes=("vision",)))
    ticket = ask(board, "ada", Selector(count=2, nodes=("vision",)))
    sign_in(page, jupyterhub, "ada")
    page.goto(f"{jupyterhub.url}/services/gpus/wait/{ticket.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("2nd in line")
    expect(page.locator("#place")).to_contain_text("simulated")
    expect(page.locator("#before")).to_contain_text("eve")
    expect(page.locator("#instead")).to_contain_text("Notebook without a GPU")

    for user in ("eve", "bob"):
        for one in board.state().line:
            if one.user == user:
                board.call("DELETE", f"/tickets/{one.id}")
    gone = {"proof": {"kind": "never-started", "by": EPOCH}}
    hub(board, "POST", f"/leases/{held.id}/release", gone).raise_for_status()
    expect(page.get_by_role("heading", level=1)).to_have_text("It is your turn")
    state = board.until(lambda state: any(one.user == "ada" for one in state.leases))
    [lease] = [one for one in state.leases if one.user == "ada"]
    # What the lab's spawner does as it starts.
    hub(board, "POST", f"/leases/{lease.id}/take", {"taker": EPOCH}).raise_for_status()

    page.wait_for_url(re.compile("/hub/spawn-pending/ada|/user/ada"))
    board.until(lambda _: any(one["user"] == "ada" for one in jupyterhub.starts()))
    jupyterhub.call("DELETE", "/users/ada/server", jupyterhub.token)


@pytest.mark.usefixtures("clear")
def test_a_place_is_given_up_after_a_question(
    page: Page, jupyterhub: RunningHub, board: RunningBoard, vision: FakeNode
) -> None:
    ask(board, "bob", Selector(count=2, nodes=("vision",)), take=True)
    ticket = ask(board, "ada", Selector(nodes=("vision",)))
    sign_in(page, jupyterhub, "ada")
    page.goto(f"{jupyterhub.url}/services/gpus/wait/{ticket.id}")

    page.get_by_role("button", name="Give up my place").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert len(board.state().line) == 1
    page.get_by_role("button", name="Give up my place").click()
    page.get_by_role("dialog").get_by_role("button", name="Give up my place").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(
        "You do not wait any more"
    )
    assert board.state().line == ()


@pytest.mark.usefixtures("clear")
def test_an_admin_drains_ends_and_fences_with_a_word_typed(
    page: Page, jupyterhub: RunningHub, board: RunningBoard, vision: FakeNode
) -> None:
    lease = ask(board, "bob", Selector(nodes=("vision",)), take=True)
    sign_in(page, jupyterhub, "root")
    page.goto(f"{jupyterhub.url}/services/gpus/")
    node = page.locator(".gpus-node").first
    dialog = page.get_by_role("dialog")

    node.get_by_role("button", name="Drain", exact=True).click()
    dialog.get_by_role("button", name="Drain vision").click()
    expect(node.get_by_text("drained")).to_be_visible()
    node.get_by_role("button", name="Undrain").click()
    expect(node.get_by_text("drained")).to_have_count(0)
    node.get_by_role("button", name="End bob's lab").click()
    dialog.get_by_role("button", name="End the lab").click()
    expect(node).to_contain_text("ending")
    node.get_by_role("button", name="Fence…").click()
    fence = dialog.get_by_role("button", name="Fence vision")
    expect(fence).to_be_disabled()
    expect(dialog).to_contain_text("bob: lab")
    dialog.get_by_role("textbox").fill("vision")
    fence.click()

    expect(node.get_by_text("silent").first).to_be_visible()
    vision.report()
    gone = {"proof": {"kind": "never-started", "by": EPOCH}}
    hub(board, "POST", f"/leases/{lease.id}/release", gone)


def test_an_admin_invites_a_node_and_withdraws_it(
    page: Page, jupyterhub: RunningHub, board: RunningBoard
) -> None:
    sign_in(page, jupyterhub, "root")
    page.goto(f"{jupyterhub.url}/services/gpus/nodes")

    page.get_by_label("Invite the agent of").select_option("nlp")
    page.get_by_role("button", name="Make an invitation").click()

    expect(page.locator("#made code")).to_contain_text("waylab agent join")
    page.get_by_role("button", name="Withdraw nlp's").click()
    page.get_by_role("dialog").get_by_role("button", name="Withdraw").click()
    expect(page.locator("#invitations")).to_contain_text("There are none.")


def test_users_do_not_see_the_nodes_tokens(page: Page, jupyterhub: RunningHub) -> None:
    sign_in(page, jupyterhub, "ada")
    page.goto(f"{jupyterhub.url}/services/gpus/nodes")

    expect(page.get_by_text("Only an admin may see the nodes' tokens.")).to_be_visible()


@pytest.mark.usefixtures("clear")
def test_the_page_says_when_the_board_is_away_and_goes_on_afterwards(
    page: Page, jupyterhub: RunningHub, board: RunningBoard, vision: FakeNode
) -> None:
    sign_in(page, jupyterhub, "ada")
    page.goto(f"{jupyterhub.url}/services/gpus/")
    expect(page.locator("#live")).to_have_text("live")

    board.kill()
    expect(page.locator("#live")).to_have_text("connecting…", timeout=30_000)
    board.start()

    expect(page.locator("#live")).to_have_text("live", timeout=30_000)
    ask(board, "bob", Selector(nodes=("vision",)), take=True)
    expect(page.locator("#nodes")).to_contain_text("bob", timeout=15_000)


@pytest.mark.usefixtures("clear", "vision")
def test_the_page_does_not_take_a_board_that_hangs_for_live(
    page: Page, jupyterhub: RunningHub, board: RunningBoard
) -> None:
    sign_in(page, jupyterhub, "ada")
    page.goto(f"{jupyterhub.url}/services/gpus/")
    expect(page.locator("#live")).to_have_text("live")

    os.kill(board.pid, signal.SIGSTOP)
    try:
        expect(page.locator("#live")).to_have_text("connecting…", timeout=60_000)
    finally:
        os.kill(board.pid, signal.SIGCONT)

    expect(page.locator("#live")).to_have_text("live", timeout=30_000)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(
    page: Page, jupyterhub: RunningHub, vision: FakeNode, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, jupyterhub, "ada")
    page.goto(f"{jupyterhub.url}/services/gpus/")
    expect(page.locator(".gpus-device")).to_have_count(2)

    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
