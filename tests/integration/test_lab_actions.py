"""What a person does with runs in a lab: start, stop and repeat them, by every way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.integration.conftest import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(400)]

STEPS = "steps = 600  # seconds that it takes"
LOOP = """import time
for step in range(steps):
    print(f"step {step} of {steps}", flush=True)
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def page(site: Any, browser: Browser) -> Iterator[Page]:
    """The admin's lab, with a notebook that takes its time."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(f"{site.url}/hub/login")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{site.url}/hub/spawn")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/user/[^/]+/lab"), timeout=120_000)
    expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)
    put_notebook(page, "slow.ipynb", STEPS, LOOP)
    page.goto(f"{page.url.partition('?')[0]}?reset")  # So that it is listed at once.
    listed = page.locator(".jp-DirListing-item", has_text="slow.ipynb")
    expect(listed).to_be_visible(timeout=60_000)
    yield page
    context.close()


def put_notebook(page: Page, name: str, parameters: str, *sources: str) -> None:
    """Write a notebook into the lab, as its own pages do."""
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": f"cell-{place}",
            "metadata": {"tags": ["parameters"]} if place == 0 else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for place, source in enumerate((parameters, *sources))
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": cells,
    }
    base = page.url.partition("/lab")[0]
    cookies = {one["name"]: one["value"] for one in page.context.cookies(page.url)}
    answer = page.request.put(
        f"{base}/api/contents/{name}",
        data={"type": "notebook", "content": content},
        headers={"X-XSRFToken": cookies["_xsrf"]},
    )
    assert answer.ok, answer.text()


def file_of(page: Page, name: str) -> Locator:
    """Find a file in the browser of files."""
    files = page.locator(".jp-DirListing")
    if not files.is_visible():  # A click on the tab of what is open would close it.
        page.locator(".jp-SideBar [data-id=filebrowser]").click()
    return page.locator(".jp-DirListing-item", has_text=name)


def by_toolbar(page: Page) -> None:
    page.get_by_role("button", name="Run remotely…").first.click()


def by_run_menu(page: Page) -> None:
    page.locator(".lm-MenuBar-item", has_text=re.compile("^Run$")).click()
    page.get_by_role("menuitem", name="Run Remotely…").click()


def by_context_menu(page: Page) -> None:
    page.locator(".jp-Notebook .jp-Cell").first.click(button="right")
    page.get_by_role("menuitem", name="Run Remotely…").click()


def by_file(page: Page) -> None:
    file_of(page, "slow.ipynb").click(button="right")
    page.get_by_role("menuitem", name="Run Remotely…").click()


def by_palette(page: Page) -> None:
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Control+Shift+C")
    palette = page.locator("#modal-command-palette")
    palette.get_by_role("textbox").fill("Run Remotely")
    palette.locator(".lm-CommandPalette-item", has_text="Run Remotely…").click()


@pytest.mark.parametrize(
    "way", [by_toolbar, by_run_menu, by_context_menu, by_file, by_palette]
)
def test_every_way_leads_to_the_form(page: Page, way: Callable[[Page], None]) -> None:
    if page.locator(".jp-NotebookPanel").count() == 0:
        file_of(page, "slow.ipynb").dblclick()
        kernel = page.locator(".jp-Toolbar-kernelName")
        expect(kernel).to_contain_text("Python 3")
    way(page)
    form = page.get_by_role("dialog", name="Run remotely")
    expect(form.get_by_label("Name")).to_have_value("slow")
    expect(form.get_by_role("textbox", name="steps")).to_have_value("600")
    form.get_by_role("button", name="Cancel").click()
    expect(form).to_have_count(0)


def test_a_run_is_aborted_and_run_again_with_another_value(page: Page) -> None:
    file_of(page, "slow.ipynb").dblclick()
    by_toolbar(page)
    form = page.get_by_role("dialog", name="Run remotely")
    form.get_by_role("textbox", name="steps").fill("500")
    form.get_by_role("button", name="Run remotely").click()
    page.get_by_role("button", name="Show").click()
    panel = page.locator(".wl-Panel")
    panel.get_by_role("tab", name="Log").click()
    expect(panel).to_contain_text("step 0 of 500", timeout=90_000)

    panel.get_by_role("button", name="Abort").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Abort").click()
    expect(panel).to_contain_text("Aborted", timeout=60_000)

    panel.get_by_role("button", name="Run again…").click()
    again = page.get_by_role("dialog", name="Run again")
    steps = again.get_by_role("textbox", name="steps")
    expect(steps).to_have_value("500")
    steps.fill("2")
    again.get_by_role("button", name="Run again").click()
    expect(again).to_have_count(0)
    page.locator(".jp-SideBar [data-id=waylab-runs]").click()
    rows = page.get_by_role("option", name=re.compile("^slow"))
    expect(rows).to_have_count(2)
    done = page.get_by_role("option", name=re.compile("^slow, Completed"))
    expect(done).to_be_visible(timeout=120_000)
    done.click()
    shown = page.locator(".wl-Panel:visible")
    shown.get_by_role("tab", name="Log").click()
    expect(shown).to_contain_text("step 1 of 2")
    expect(shown).not_to_contain_text("step 2 of")
