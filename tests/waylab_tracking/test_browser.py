"""The pages as a person sees them, at the addresses that the SDK prints."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    expect,
)
from tests.chromium import MISSING, running_chromium
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.provider import CLIENT, SECRET, running_provider
from tests.waylab_tracking.sdk import Sdk

from waylab_tracking import bundle
from waylab_tracking.testing import Server, running_server

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LONG = "a-very-long-name-" * 20
HOSTILE = "<img src=x onerror=\"document.title='broken'\"></script><script>1"
SCRIPT = """
import numpy, pathlib
from clearml import Dataset, OutputModel, Task
from PIL import Image

HOSTILE = {hostile!r}
result = {{"runs": []}}
for number in (1, 2):
    task = Task.init("vision/detectors", f"train {{number}} {{HOSTILE}}",
        reuse_last_task_id=False, auto_connect_frameworks=False, tags=[HOSTILE],
        output_uri=True)
    result["runs"].append(task.id)
    task.connect({{"rate": 0.1 * number, "epochs": 3, HOSTILE: HOSTILE}})
    task.connect_configuration({{"model": {{"depth": number, "name": HOSTILE}}}}, "net")
    log = task.get_logger()
    for step in range(60):
        log.report_scalar("loss", "train", 2.0 / (number + step), step)
        log.report_scalar("loss", "test", 2.5 / (number + step), step)
    log.report_scalar("accuracy", HOSTILE, 0.7 + number / 10, 1)
    log.report_single_value("best", 0.9 + number / 100)
    log.report_text(f"\\x1b[31mred\\x1b[0m line {{HOSTILE}}")
    log.report_histogram("sizes", "boxes", iteration=1, values=[3, 5, 8, 13])
    log.report_confusion_matrix("confusion", HOSTILE, numpy.eye(3).tolist(),
        iteration=1, xlabels=[HOSTILE, "b", "c"], ylabels=["a", "b", "c"])
    log.report_surface("hills", "s", numpy.eye(4).tolist(), iteration=1)
    log.report_table("answers", HOSTILE, iteration=1,
        table_plot=[["prompt", "answer"], ["p1", HOSTILE], ["p2", "a2"]])
    log.report_image("samples", HOSTILE, iteration=1,
        image=numpy.full((24, 24, 3), 90 * number, dtype=numpy.uint8))
    task.upload_artifact("notes", {{"text": HOSTILE}})
    page = pathlib.Path("page.html")
    page.write_text("<script>document.title='broken'</script><p>a page</p>")
    task.upload_artifact("page", page)
    if number == 2:
        model = OutputModel(task, name=f"weights {{HOSTILE}}", framework="PyTorch")
        weights = pathlib.Path("weights.bin")
        weights.write_bytes(b"w" * 1000)
        model.update_weights(str(weights))
        model.set_metadata("classes", HOSTILE, "str")
        result["model"] = model.id
    task.flush(wait_for_uploads=True)
    task.close()
folder = pathlib.Path("data")
folder.mkdir()
(folder / "one.txt").write_text("one")
first = Dataset.create(dataset_name="digits", dataset_project="vision",
    dataset_version="1.0.0", use_current_task=False)
first.add_files(str(folder))
first.upload(show_progress=False)
first.finalize()
(folder / "two.txt").write_text("two")
second = Dataset.create(dataset_name="digits", dataset_project="vision",
    dataset_version="1.1.0", parent_datasets=[first.id])
second.add_files(str(folder))
second.upload(show_progress=False)
second.finalize()
result["datasets"] = [first.id, second.id]
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(
        bundle.read(bundle.FOLDER) is None,
        reason="the pages are not built: `make setup` builds them",
    ),
]


@dataclass
class World:
    """A server after a researcher's scripts, and what these printed."""

    server: Server
    door: Door
    made: dict[str, Any]
    printed: list[str]


@dataclass
class Screen:
    """A page, what its console complained about, and what it asked of the API."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, address: str) -> Page:
        path = address.removeprefix(self.url)
        self.page.goto(f"{self.url}{path}")
        expect(self.page.locator("main h1").first).to_be_visible()
        return self.page

    def hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(said.text)

    def note(self, asked: Request) -> None:
        if asked.method == "POST":
            self.asked.append(asked.url.rpartition("/")[2])

    def quiet(self) -> bool:
        """Say whether nothing of the users' texts ran, and nothing was refused."""
        return self.complaints == [] and "broken" not in self.page.title()

    def fits(self) -> bool:
        """Say whether nothing scrolls sideways, whatever is in it."""
        root = "document.documentElement"
        return bool(self.page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("browser")
    with (
        running_provider() as provider,
        running_server(
            folder / "state",
            oauth_client_id=CLIENT,
            oauth_client_secret=SECRET,
            oauth_authorize_url=f"{provider.url}/authorize",
            oauth_token_url=f"{provider.url}/token",
            oauth_userinfo_url=f"{provider.url}/user",
        ) as server,
    ):
        sdk = Sdk(server, folder, server.create_user("ann"))
        made = sdk.run(SCRIPT.format(hostile=HOSTILE))
        printed = re.findall(r"http\S+", sdk.output.read_text("utf-8"))
        door = Door(server, sdk.keys)
        yield World(server, door, made, printed)
        door.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(params=[DESKTOP], ids=["desktop"])
def screen(
    request: pytest.FixtureRequest, world: World, browser: Browser
) -> Iterator[Screen]:
    context = browser.new_context(viewport=request.param)
    page = context.new_page()
    screen = Screen(page, world.server.url)
    page.on("pageerror", lambda error: screen.complaints.append(str(error)))
    page.on("console", screen.hear)
    page.on("request", screen.note)
    yield screen
    context.close()


BOTH = pytest.mark.parametrize(
    "screen", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True
)
SMALL = pytest.mark.parametrize("screen", [PHONE], ids=["phone"], indirect=True)


def test_what_the_sdk_prints_is_a_page(screen: Screen, world: World) -> None:
    runs = [one for one in world.printed if "/output/log" in one]
    datasets = [one for one in world.printed if "/datasets/simple/" in one]
    assert len(runs) >= 2
    assert len(datasets) >= 1

    page = screen.open(runs[0])
    expect(page.get_by_role("tab", name="Log")).to_have_attribute(
        "aria-selected", "true"
    )
    expect(page.get_by_role("log")).to_contain_text("red line <img")
    page = screen.open(datasets[-1])
    expect(page.locator("h1")).to_contain_text("digits")
    expect(page.get_by_role("region", name="Files")).to_contain_text("two.txt")
    assert screen.quiet()


@BOTH
def test_a_run_shows_all_that_it_reported(screen: Screen, world: World) -> None:
    page = screen.open(f"/projects/*/experiments/{world.made['runs'][0]}")
    assert "tasks.get_by_id_ex" not in screen.asked
    tabs = page.get_by_role("tablist", name="About this run")

    tabs.get_by_role("tab", name="Scalars").click()
    expect(page.get_by_role("img", name=re.compile("^loss"))).to_be_visible()
    expect(page.get_by_text("best")).to_be_visible()
    tabs.get_by_role("tab", name="Parameters").click()
    expect(page.get_by_role("row", name="rate")).to_contain_text("0.1")
    tabs.get_by_role("tab", name="Plots").click()
    expect(page.get_by_role("cell", name="p2")).to_be_visible()
    frame = page.frame_locator("iframe[title^=sizes]")
    expect(frame.locator(".bars").first).to_be_attached()
    page.get_by_role("figure", name=re.compile("^hills")).scroll_into_view_if_needed()
    expect(
        page.frame_locator("iframe[title^=hills]").locator("#scene").first
    ).to_be_attached(timeout=60_000)
    expect(page.locator("iframe").first).to_have_attribute("sandbox", "allow-scripts")
    tabs.get_by_role("tab", name="Images").click()
    sample = page.get_by_role("img", name=re.compile("^samples"))
    expect(sample).to_have_js_property("naturalWidth", 24)
    tabs.get_by_role("tab", name="Configuration").click()
    expect(page.get_by_role("region", name="net")).to_contain_text("depth")
    tabs.get_by_role("tab", name="Artifacts").click()
    link = page.get_by_role("link", name="Show page")
    shown = page.context.new_page()
    answer = shown.goto(
        str(link.get_attribute("href")).replace("/", screen.url + "/", 1)
    )
    assert answer is not None
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    expect(shown.get_by_text("a page")).to_be_visible()
    assert shown.title() == ""
    assert page.url.endswith("/artifacts")
    page.go_back()
    expect(tabs.get_by_role("tab", name="Configuration")).to_have_attribute(
        "aria-selected", "true"
    )
    assert screen.quiet()


def test_runs_are_chosen_and_compared(screen: Screen, world: World) -> None:
    page = screen.open("/projects")
    page.get_by_role("link", name="vision", exact=True).click()
    boxes = page.get_by_role("checkbox", name=re.compile("^Compare train"))
    expect(boxes).to_have_count(2)
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("link", name="Compare 2").click()

    table = page.get_by_role("table", name="Parameters")
    expect(table.get_by_role("row", name="rate")).to_contain_text("0.2")
    expect(table.get_by_role("row", name="epochs")).to_have_count(0)
    page.get_by_role("tab", name="Metrics").click()
    metrics = page.get_by_role("table", name="Metrics, last values")
    expect(metrics.get_by_role("row", name="best")).to_contain_text("highest")
    page.get_by_role("tab", name="Scalars").click()
    chart = page.locator("figure", has_text="loss / train")
    expect(chart.locator("path.wl-Chart-line")).to_have_count(2)
    assert "compare-experiments;ids=" in page.url
    assert screen.quiet()


def test_models_and_versions_tell_where_they_come_from(
    screen: Screen, world: World
) -> None:
    page = screen.open(f"/projects/*/models/{world.made['model']}/general")
    assert "models.get_by_id" not in screen.asked
    expect(page.get_by_role("row", name="classes")).to_contain_text("<img")
    expect(page.get_by_role("link", name="Download weights")).to_be_visible()
    page.get_by_role("link", name=re.compile("^train 2")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("train 2")
    page = screen.open("/datasets")
    page.get_by_role("row", name="1.1.0").get_by_role("link").click()
    lineage = page.get_by_role("table", name="Lineage")
    expect(lineage.get_by_role("link", name="digits 1.0.0")).to_be_visible()
    expect(page.get_by_text("1 added, 0 changed, 0 removed")).to_be_visible()
    assert screen.quiet()


@BOTH
def test_an_owner_sets_who_sees_a_project(screen: Screen, world: World) -> None:
    world.server.call("waylab.ensure_user", {"name": "cara", "groups": ["nlp"]})
    name = f"shared {secrets.token_hex(4)}"
    project = world.door.call("projects.create", name=name)["id"]
    page = screen.open(f"/projects/{project}")
    seen = page.get_by_role("region", name="Who sees this project")
    change = seen.get_by_role("button", name="Change who sees it")
    expect(seen).to_contain_text("Everybody who may sign in")

    change.press("Enter")
    expect(page.get_by_role("radio", name=re.compile("^Everybody"))).to_be_focused()
    page.get_by_role("radio", name=re.compile("^Groups")).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a group")
    page.get_by_role("checkbox", name="nlp").check()
    assert screen.fits()
    page.get_by_role("button", name="Save").click()

    expect(seen).to_contain_text("the group nlp")
    expect(change).to_be_focused()
    [told] = world.door.call("waylab.get_sharing", projects=[project])["projects"]
    assert (told["own"], told["groups"]) == ("group", ["nlp"])
    assert screen.quiet()


def test_queues_and_workers_are_followed(screen: Screen, world: World) -> None:
    waiting = world.door.task("waits its turn")
    world.door.call("tasks.enqueue", task=waiting, queue_name="default")
    page = screen.open("/workers-and-queues/queues")
    place = page.get_by_role("table", name="Waiting in default")
    expect(place.get_by_role("link", name="waits its turn").first).to_be_visible()
    world.door.call("tasks.dequeue", task=waiting)
    expect(place).to_have_count(0)

    node = {"worker": "node:gpu0", "queues": []}
    world.server.call("workers.register", node)
    used = {"cpu_usage": [20, 40], "gpu_usage": [70, 90], "memory_used": 4.5}
    told = {**node, "timestamp": 1, "machine_stats": used}
    world.server.call("workers.status_report", told)
    page = screen.open("/workers-and-queues/workers")
    expect(page.get_by_role("heading", name="node:gpu0")).to_be_visible()
    expect(page.get_by_text("Idle.")).to_be_visible()
    chart = page.locator("figure", has_text="GPU, %")
    expect(chart.locator(".wl-Chart-legend li")).to_have_count(2)
    world.server.call("workers.unregister", {"worker": "node:gpu0"})
    assert screen.quiet()


def test_a_log_is_followed_while_it_grows(screen: Screen, world: World) -> None:
    task = world.door.task("grows")
    world.door.call("tasks.started", task=task)
    world.door.call("events.add", type="log", task=task, msg="the first line")
    page = screen.open(f"/projects/*/experiments/{task}/output/log")
    expect(page.get_by_role("log")).to_contain_text("the first line")
    world.door.call("events.add", type="log", task=task, msg="the next line")
    expect(page.get_by_role("log")).to_contain_text("the next line")
    world.door.call("tasks.completed", task=task)
    expect(page.get_by_text("Completed").first).to_be_visible()
    assert screen.quiet()


def test_what_is_not_there_is_told(screen: Screen) -> None:
    page = screen.page
    answer = page.goto(f"{screen.url}/projects/*/experiments/nothing/output/log")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("alert")).to_contain_text("Invalid task id")


def test_a_long_list_has_parts_and_is_walked_by_keys(
    screen: Screen, world: World
) -> None:
    project = world.door.call("projects.create", name="many runs")["id"]
    for number in range(60):
        world.door.task(f"{number:03} {LONG}", project=project)
    page = screen.open(f"/projects/{project}/experiments")
    assert screen.fits()
    expect(page.get_by_role("link", name=re.compile("^059"))).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^005"))).to_have_count(0)
    page.get_by_role("button", name="Older").press("Enter")
    expect(page.get_by_role("link", name=re.compile("^005"))).to_be_visible()
    page.get_by_label("Search by name").fill("033 a")
    expect(page.get_by_role("link", name=re.compile("^033"))).to_be_visible()
    expect(page.get_by_role("checkbox", name=re.compile("^Compare"))).to_have_count(1)
    page.get_by_role("tab", name="Runs").press("ArrowRight")
    expect(page.get_by_role("tab", name="Models")).to_be_focused()
    expect(page.get_by_text("No models yet")).to_be_visible()
    assert screen.quiet()


@SMALL
def test_every_page_fits_a_phone(screen: Screen, world: World) -> None:
    ann, made = world.door, world.made
    project = ann.call("projects.create", name=f"long/{LONG}")["id"]
    task = ann.task(LONG, project=project, tags=[LONG])
    named = [{"section": "Args", "name": LONG, "value": LONG}]
    ann.call("tasks.edit_hyper_params", task=task, hyperparams=named)
    run = f"/projects/*/experiments/{task}"
    ids = ",".join([*made["runs"], task])
    compared = f"/projects/*/compare-experiments;ids={ids}"
    for path in (
        "/projects",
        f"/projects/{project}/experiments",
        "/projects/*/models",
        *(f"{run}/{tab}" for tab in ("general", "hyper-params", "output/log")),
        *(f"{compared}/{tab}" for tab in ("hyper-params", "scalars/graph")),
        f"/projects/*/models/{made['model']}/general",
        "/datasets",
        f"/datasets/simple/*/experiments/{made['datasets'][1]}",
        "/workers-and-queues/queues",
    ):
        page = screen.open(path)
        expect(page.locator(".wl-Skeleton")).to_have_count(0)
        assert screen.fits(), path
    assert screen.quiet()


def test_a_page_shows_its_content_without_asking_for_it(
    screen: Screen, world: World
) -> None:
    for path, ready in (
        ("/projects", "vision/detectors"),
        (f"/projects/*/experiments/{world.made['runs'][0]}/general", "train 1"),
    ):
        screen.page.goto(f"{screen.url}{path}")
        screen.page.route("**/*.get_*", lambda route: route.abort())
        screen.page.goto(f"{screen.url}{path}", wait_until="commit")
        expect(screen.page.get_by_text(ready).first).to_be_visible()
        screen.page.unroute("**/*.get_*")


def test_a_page_may_not_be_used_by_another_site(screen: Screen, world: World) -> None:
    screen.open("/projects")
    asked = json.dumps({"name": "by a cookie"})
    told = screen.page.evaluate(
        """async body => {
            const send = async (endpoint, headers) => (await fetch(
                '/' + endpoint, {method: 'POST', body, headers})).status;
            return [
                await send('tasks.create', {'X-Waylab-Page': '1'}),
                await send('tasks.get_all_ex', {}),
                await send('tasks.get_all_ex', {'X-Waylab-Page': '1'}),
            ];
        }""",
        asked,
    )
    assert told == [403, 401, 200]
