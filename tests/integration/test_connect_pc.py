"""A PC of the network records with the file of the page *Connect my PC* alone.

With `WAYLAB_SCREENSHOTS=docs/images` the pictures of the documentation are made anew.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.integration.other_machine import OtherMachine, other_machine, shown_at

PASSWORD = "a password for tests"  # noqa: S105 - of a throw-away site
pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(400)]
ANONYMOUS = """
for (const one of document.querySelectorAll("#made code, #made .gpus-quiet"))
  one.textContent = one.textContent.replaceAll(location.origin, "https://waylab.example")
    .replaceAll(/_key: ".*"/g, '_key: "…"');
"""
SCRIPT = """\
{lines}
task.get_logger().report_scalar("loss", "train", 0.5, 1)
task.upload_artifact("table", {{"rows": [1, 2]}}, wait_on_upload=True)
task.close()
print("TASK", task.id)
"""


@pytest.fixture(scope="module")
def pc() -> Iterator[OtherMachine]:
    with other_machine() as machine:
        yield machine


@pytest.fixture
def address(pc: OtherMachine, site: Any) -> Iterator[str]:
    """The hub's public address, by which PC and browser see it."""
    with shown_at(pc.hub_address, site.port) as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1150})
    page = context.new_page()
    page.goto(f"{address}/hub/login?next=%2Fhub%2Fhome")
    page.fill("#username_input", "admin")
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")
    page.wait_for_url("**/hub/home")
    yield page
    context.close()


def shoot(page: Page) -> None:
    """Take the pictures if they are asked for, without this site's keys and address."""
    if folder := os.environ.get("WAYLAB_SCREENSHOTS"):
        page.evaluate(ANONYMOUS)
        for scheme, ending in (("light", ""), ("dark", "-dark")):
            page.evaluate(f"document.documentElement.dataset.bsTheme = '{scheme}'")
            path = Path(folder) / f"connect-pc{ending}.png"
            page.screenshot(path=path, animations="disabled")


def test_a_pc_records_with_that_file_until_its_keys_are_revoked(
    pc: OtherMachine, site: Any, page: Page, tmp_path: Path
) -> None:
    page.get_by_role("link", name="My PC").click()
    page.get_by_label("Name of the PC").fill("laptop <1>")
    page.get_by_role("button", name="Make a key pair").click()
    steps = page.get_by_role("region", name="Keys for laptop <1>")
    with page.expect_download() as download:
        steps.get_by_role("link", name="Download clearml.conf").click()
    lines = steps.get_by_label("the two lines", exact=True).inner_text()
    shoot(page)
    home = tmp_path / "home"
    home.mkdir()
    download.value.save_as(home / "clearml.conf")
    script = home / "script.py"
    script.write_text(SCRIPT.format(lines=lines))
    assert lines.count("\n") == 1

    done = pc.run(home, sys.executable, str(script))

    assert done.returncode == 0, done.stdout + done.stderr
    task = done.stdout.partition("TASK ")[2].split()[0]
    shown = json.loads(site.cli("runs", "show", task, "--json").stdout)
    assert (shown["name"], shown["project"]) == ("Hello", "From my PC")
    assert [one["key"] for one in shown["artifacts"]] == ["table"]

    # What the file alone gave, it alone takes: the page lists it, and ends it.
    page.reload()
    page.get_by_role("button", name="Revoke laptop <1>").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator("#keys")).to_contain_text("There are none yet.")
    refused = pc.run(home, sys.executable, str(script))
    assert refused.returncode != 0
    assert "TASK" not in refused.stdout
