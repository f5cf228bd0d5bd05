"""The spawn page in a real browser: a real hub and board, and nodes that report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.chromium import MISSING, running_chromium
from tests.waylab_spawner.docker_site import SITE
from tests.waylab_spawner.ground import running_ground

from waylab_board.testing import FakeNode, RunningBoard, gpus
from waylab_ledger.values import Holder, Request, Selector
from waylab_ledger.wire import encode
from waylab_site.model import Site
from waylab_spawner.testing import Hub, NotHere, proxy_program

try:
    proxy_program()
    _missing = MISSING
except NotHere as error:
    _missing = str(error)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(_missing), reason=_missing),
]


@pytest.fixture(scope="module")
def parts(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Hub, RunningBoard]]:
    root = tmp_path_factory.mktemp("site")
    site = Site.model_validate(SITE)
    with ExitStack() as stack:
        (root / "hub").mkdir()
        hub = Hub(root / "hub", {})
        board = stack.enter_context(running_ground(root, site, hub))
        hub.traits = {
            **hub.traits,
            "site_id": "page",
            "images": [i.model_dump(mode="json") for i in site.images[:1]],
            "places": [
                {
                    "node": node.name,
                    "kind": "engine",
                    "engine_url": f"unix://{root}/{node.name}.sock",
                    "simulated": True,
                }
                for node in site.nodes
            ],
        }
        stack.callback(hub.stop)
        hub.start()
        yield hub, board


@pytest.fixture(scope="module")
def hub(parts: tuple[Hub, RunningBoard]) -> Hub:
    return parts[0]


@pytest.fixture(scope="module")
def board(parts: tuple[Hub, RunningBoard]) -> RunningBoard:
    return parts[1]


@pytest.fixture(scope="module")
def nodes(board: RunningBoard) -> Iterator[dict[str, FakeNode]]:
    made = {
        "vision": FakeNode(board, "vision", gpus("vision", 2, "RTX 4090", 24)),
        "nlp": FakeNode(board, "nlp", gpus("nlp", 4, "A100", 80)),
    }
    yield made
    for node in made.values():
        node.board.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser, hub: Hub, nodes: dict[str, FakeNode]) -> Iterator[Page]:
    for node in nodes.values():
        node.report()
    context = chromium.new_context()
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(f"{hub.url}/hub/login?next=%2Fhub%2Fspawn")
    opened.fill("#username_input", "ann")
    opened.fill("#password_input", "x")
    opened.click("#login_submit")
    opened.wait_for_url("**/hub/spawn*")
    yield opened
    context.close()
    assert errors == []


def _card(profile: str) -> str:
    return f".waylab-card:has(#profile-{profile})"


@pytest.fixture
def held(board: RunningBoard) -> Iterator[str]:
    """Set both GPUs of the node vision aside for carl."""
    request = Request(
        key=f"page-{len(board.state().line)}-{board.state().version}",
        holder=Holder.lab("carl"),
        user="carl",
        selector=Selector(count=2, nodes=("vision",)),
        limit_seconds=3600,
    )
    # Taken by nobody: the hub's own process is the one that takes leases here.
    body = {"request": encode(request), "taker": None}
    board.call("POST", "/requests", body, token=board.hub_token).raise_for_status()
    (lease,) = board.until(lambda state: bool(state.leases)).leases
    yield lease.id
    for ticket in board.state().line:
        board.call("DELETE", f"/tickets/{ticket.id}")


def test_the_cards_show_what_is_free_gpu_by_gpu(page: Page) -> None:
    expect(page.locator(f"{_card('one')} .waylab-free")).to_have_text("2 of 2 free now")
    rows = page.locator(f"{_card('one')} .waylab-gpu")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("vision 0: RTX 4090, 24 GiB")
    expect(rows.first).to_contain_text("free")
    expect(page.locator(f"{_card('one')} .badge")).to_have_text("simulated")
    expect(page.locator(f"{_card('cpu')} .waylab-gpu")).to_have_count(0)


def test_what_changes_is_shown_without_a_reload(
    page: Page, board: RunningBoard, nodes: dict[str, FakeNode]
) -> None:
    free = page.locator(f"{_card('a100')} .waylab-free")
    expect(free).to_have_text("4 of 4 free now")

    board.call("POST", "/nodes/nlp/drain").raise_for_status()
    expect(free).to_have_text("0 of 4 free now")
    rows = page.locator(f"{_card('a100')} .waylab-gpu")
    expect(rows.first).to_contain_text("closed by an admin")
    board.call("POST", "/nodes/nlp/undrain").raise_for_status()
    expect(free).to_have_text("4 of 4 free now")


def test_nothing_free_leads_into_the_line(
    page: Page, nodes: dict[str, FakeNode], held: str
) -> None:
    nodes["vision"].utilisation = {
        "GPU-vision-0": {"gpu_percent": 87.0, "memory_used_bytes": 6 * 1024.0**3}
    }
    nodes["vision"].report()
    rows = page.locator(f"{_card('one')} .waylab-gpu")
    expect(rows.first).to_contain_text("carl")
    expect(rows.first).to_contain_text("87 %")
    button = page.locator("#spawn_form button[type=submit]")
    expect(button).to_have_text("Start")

    page.click("label[for=profile-one]")
    expect(button).to_have_text("Wait in line")
    button.click()

    page.wait_for_url("**/services/gpus/wait/*")
    page.goto(page.url.partition("/services")[0] + "/hub/spawn")
    expect(page.locator(".waylab-board-note")).to_contain_text(
        "This lab waits in line at place 1 for One RTX, Lab."
    )
    expect(page.locator("#profile-one")).to_be_checked()


def test_the_page_works_by_keyboard_alone(page: Page) -> None:
    page.focus("#profile-cpu")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")

    chosen = page.locator(".btn-check:checked")
    assert chosen.get_attribute("value") == "a100"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "profile-a100-gpus"
    described = page.locator("#profile-a100").get_attribute("aria-describedby")
    expect(page.locator(f"#{described}")).to_have_text("4 of 4 free now")


@pytest.mark.usefixtures("nodes")
def test_the_page_works_while_the_board_is_away(
    page: Page, board: RunningBoard
) -> None:
    expect(page.locator(f"{_card('one')} .waylab-free")).not_to_be_empty()
    board.kill()
    try:
        note = page.locator(".waylab-board-note")
        expect(note).to_contain_text("the board does not answer", timeout=15000)
        expect(page.locator(".waylab-gpu")).to_have_count(0)
        expect(page.locator("#spawn_form button[type=submit]")).to_have_text("Start")
    finally:
        board.start()
    expect(page.locator(".waylab-gpu").first).to_be_visible(timeout=15000)


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.locator(".waylab-gpu").first).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= width
