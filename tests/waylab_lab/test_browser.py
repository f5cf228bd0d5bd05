"""The extension as a person sees it, in a real JupyterLab."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.chromium import MISSING, running_chromium
from tests.waylab_lab.rig import (
    SOURCES,
    Lab,
    add_run,
    code_cell,
    environment,
    notebook,
    running_lab,
    write_notebook,
)

from waylab_clearml.client import Client
from waylab_clearml.live import Index, Segment
from waylab_clearml.offer import GpuOffer, NodeOffer, Offer, as_item
from waylab_clearml.verdict import Outcome, Reason, Verdict
from waylab_tracking.testing import Server

HOSTILE = "<img src=x onerror=\"document.title='broken'\">"
SOURCE = "epochs: int = 3  # passes over the data\nrate: float | None = None\n"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(
        not (SOURCES / "waylab_lab" / "labextension" / "package.json").is_file(),
        reason="the lab extension is not built: `make up` builds it",
    ),
]


@dataclass
class Screen:
    """A page of the lab, and what its console complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def seen_lab(ada: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("seen")
    settings = folder / "config/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    # The question about news covers what a test looks at.
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False}), "utf-8"
    )
    given = {
        **environment(ada.credentials),
        "WAYLAB_TEMPLATES": str(SOURCES.parents[1] / "templates"),
        "WAYLAB_NOTICE": "One account for everybody.",
    }
    with running_lab(folder, given, module="jupyterlab") as lab:
        write_notebook(lab.root / "a{b}.ipynb", SOURCE)
        yield lab


@pytest.fixture
def screen(seen_lab: Lab) -> Iterator[Screen]:
    with running_chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        screen = Screen(page)
        page.on("pageerror", lambda error: screen.complaints.append(str(error)))
        page.goto(f"{seen_lab.url}/lab?token={seen_lab.token}&reset")
        expect(page.locator(".jp-Launcher-body")).to_be_visible(timeout=60_000)
        page.locator(".jp-SideBar [data-id=waylab-runs]").click()
        yield screen


def open_file(page: Page, name: str) -> None:
    page.locator(".jp-SideBar [data-id=filebrowser]").click()
    page.locator(".jp-DirListing-item", has_text=name).dblclick()
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()


def test_a_notebook_is_submitted_from_its_toolbar(screen: Screen) -> None:
    page = screen.page
    open_file(page, "a{b}.ipynb")
    page.get_by_role("button", name="Run remotely…").first.click()
    form = page.get_by_role("dialog", name="Run remotely")
    expect(form.get_by_label("Name")).to_have_value("a{b}")
    epochs = form.get_by_role("textbox", name="epochs")
    epochs.fill("many")
    form.get_by_role("button", name="Run remotely").click()
    expect(form.get_by_text("Write a whole number.")).to_be_visible()
    expect(epochs).to_be_focused()
    epochs.fill("7")
    form.get_by_role("button", name="Run remotely").click()
    expect(page.get_by_text("“a{b}” is next in queue default.")).to_be_visible()
    expect(form).to_have_count(0)
    page.get_by_role("button", name="Show").click()
    panel = page.locator(".wl-Panel")
    expect(panel).to_contain_text("Next in queue default.")
    panel.get_by_role("tab", name="Parameters").click()
    expect(panel.get_by_role("row", name="epochs")).to_contain_text("7")
    assert screen.complaints == []


def test_the_form_comes_and_goes_by_keys_and_gives_focus_back(screen: Screen) -> None:
    page = screen.page
    open_file(page, "a{b}.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Control+Alt+Enter")
    form = page.get_by_role("dialog", name="Run remotely")
    expect(form.get_by_role("textbox", name="epochs")).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.wl-Dialog') !== null")
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('.jp-Notebook') !== null")


def test_gpus_are_chosen_as_the_queue_has_them(
    screen: Screen, tracking: Server
) -> None:
    page = screen.page
    gpus = (
        GpuOffer("nlp", "NVIDIA A100", 80 << 30, 2, 1),
        GpuOffer("vision", "NVIDIA L4", 24 << 30, 4, 3),
        GpuOffer("cut", "NVIDIA A100", 10 << 30, 7, 5, mig_profile="1g.10gb"),
    )
    offer = Offer(
        slots=6,
        free_slots=4,
        default_gpus=1,
        cpu_slots=2,
        gpus=gpus,
        nodes=(
            *(NodeOffer(name, default_gpus=1) for name in ("nlp", "vision", "cut")),
            NodeOffer("cpu", cpu_slots=2),
        ),
    )
    [queue] = tracking.call("queues.get_all", {"name": "^vision$"})["queues"]
    body = {"queue": queue["id"], "metadata": [as_item(offer, datetime.now(UTC))]}
    tracking.call("queues.add_or_update_metadata", body)
    open_file(page, "a{b}.ipynb")
    page.get_by_role("button", name="Run remotely…").first.click()
    form = page.get_by_role("dialog", name="Run remotely")
    expect(form.get_by_role("textbox", name="epochs")).to_be_visible()
    expect(form.get_by_label("GPU model")).to_have_count(0)
    form.get_by_label("Queue", exact=True).select_option("vision")
    form.get_by_label("GPUs", exact=True).select_option("4")
    expect(form.get_by_text("Waits until 4 such GPUs are free")).to_be_visible()
    form.get_by_label("GPU model").select_option("NVIDIA A100")
    expect(form.get_by_text("No node of queue vision has more than 2")).to_be_visible()
    form.get_by_label("GPUs", exact=True).select_option("2")
    form.get_by_label("GPU memory").select_option("80 GiB or more")
    form.get_by_label("Node").select_option("vision")
    expect(form.get_by_text("Node vision has no such GPU.")).to_be_visible()
    form.get_by_label("Node").select_option("nlp")
    form.get_by_role("button", name="Run remotely").click()
    page.get_by_role("button", name="Show").click()
    panel = page.locator(".wl-Panel")
    asked = "2 \N{MULTIPLICATION SIGN} NVIDIA A100, at least 80 GiB, on nlp"
    expect(panel).to_contain_text(asked)

    panel.get_by_role("button", name="Run again").click()
    form = page.get_by_role("dialog", name="Run again")
    expect(form.get_by_label("Node")).to_have_value("nlp")
    form.get_by_label("Whole GPUs or slices").select_option("1g.10gb")
    form.get_by_label("GPU memory").select_option("Any")
    form.get_by_label("Node").select_option("Any")
    form.get_by_role("button", name="Run again").click()
    page.get_by_role("button", name="Show").last.click()
    asked = "2 \N{MULTIPLICATION SIGN} slice 1g.10gb of NVIDIA A100"
    expect(page.locator(".wl-Panel", has_text=asked)).to_be_visible()
    assert screen.complaints == []


def test_a_failed_run_shows_its_cell_and_runs_no_script(
    screen: Screen, ada: Client
) -> None:
    page = screen.page
    run = add_run(
        ada,
        f"fails {HOSTILE}",
        tags=["notebook", HOSTILE],
        hyperparams={
            "Notebook": {
                "label": {"section": "Notebook", "name": "label", "value": HOSTILE}
            }
        },
    )
    ada.call("tasks.started", {"task": run, "force": True})
    verdict = Verdict(
        Outcome.FAILED,
        Reason.CELL_ERROR,
        f"Cell 3 failed: {HOSTILE}",
        cell=7,
        number=3,
        ename="ValueError",
        evalue=HOSTILE,
        traceback=("Traceback:", f"ValueError: {HOSTILE}"),
    )
    item = {"name": "waylab_verdict", "value": verdict.to_json(), "type": "json"}
    ada.call(
        "tasks.edit_configuration",
        {"task": run, "configuration": [item], "force": True},
    )
    ada.call(
        "tasks.failed",
        {
            "task": run,
            "force": True,
            "status_reason": "cell-error",
            "status_message": verdict.message,
        },
    )
    row = page.get_by_role("option", name=re.compile("^fails"))
    expect(row).to_contain_text("A cell failed")
    row.click()
    panel = page.locator(".wl-Panel")
    expect(panel.get_by_text("Traceback of cell 3")).to_be_visible()
    expect(panel).to_contain_text(f"ValueError: {HOSTILE}")
    panel.get_by_role("tab", name="Parameters").click()
    expect(panel).to_contain_text(HOSTILE)
    assert page.locator(".wl-Root img").count() == 0
    assert page.title() != "broken"


def test_a_change_is_seen_without_a_reload(screen: Screen, ada: Client) -> None:
    page = screen.page
    run = add_run(ada, "watched")
    expect(page.get_by_role("note")).to_have_text("One account for everybody.")
    row = page.get_by_role("option", name=re.compile("^watched"))
    expect(row).to_contain_text("just now")
    ada.call("tasks.started", {"task": run, "force": True})
    running = page.get_by_role("option", name=re.compile("^watched, Running"))
    expect(running).to_be_visible()
    page.get_by_label("Search by name").fill("nothing like it")
    expect(page.get_by_text("No run fits the filters")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(running).to_be_visible()
    ada.call("tasks.stopped", {"task": run, "force": True})


def test_a_live_notebook_is_followed_after_a_reload_too(
    screen: Screen, ada: Client
) -> None:
    page = screen.page
    run = add_run(ada, "growing")
    ada.call("tasks.started", {"task": run, "force": True})
    index = Index(
        skeleton=upload(ada, run, "notebook", notebook(code_cell("1"))),
        cells_total=1,
        cell_current=0,
    )
    publish(ada, run, index)
    page.get_by_role("option", name=re.compile("^growing")).click()
    page.get_by_role("button", name="Open live notebook").click()
    shown = page.locator(".jp-Notebook .jp-Cell")
    expect(shown).to_have_count(1)
    # The lab saves its layout a while after it has changed.
    with page.expect_response(lambda answer: "/api/workspaces/" in answer.url):
        pass
    page.reload()
    expect(shown).to_have_count(1, timeout=60_000)
    stream = {"output_type": "stream", "name": "stdout", "text": "it has grown"}
    outcome = {"execution_count": 1, "outputs": [stream]}
    grown = upload(ada, run, "segment", {"format": 1, "cells": {"0": outcome}})
    segments = (Segment(grown, (0,)),)
    publish(ada, run, replace(index, cells_done=1, segments=segments))
    expect(page.locator(".jp-Notebook")).to_contain_text("it has grown")
    ada.call("tasks.stopped", {"task": run, "force": True})


def upload(client: Client, run: str, name: str, content: object) -> str:
    """Put a file where the runner has those of the live notebook."""
    path = f"p/growing.{run}/artifacts/live/{name}.json"
    return client.upload(path, json.dumps(content).encode(), "application/json")


def publish(client: Client, run: str, index: Index) -> None:
    item = {"name": "waylab_live", "type": "json", "value": index.to_json()}
    body = {"task": run, "configuration": [item], "force": True}
    client.call("tasks.edit_configuration", body)


def test_a_starter_is_copied_from_the_launcher(screen: Screen, seen_lab: Lab) -> None:
    page = screen.page
    starters = {path.name for path in Path(seen_lab.root).glob("*.ipynb")}
    card = page.locator('.jp-LauncherCard[data-category="Waylab starters"]').first
    card.click()
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
    assert len({path.name for path in seen_lab.root.glob("*.ipynb")} - starters) == 1
