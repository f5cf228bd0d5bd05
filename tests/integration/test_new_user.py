"""A stranger's first half hour: clone, one command, and every click after it.

With `WAYLAB_SCREENSHOTS=docs/images` the pictures of the documentation are made anew.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).resolve().parents[2]
# What a new account's shell has. Where packages come from, and whom to trust, is the
# machine's own affair and stays.
KEPT = re.compile(r"^(PATH|LANG|TERM|PIP_.*|UV_.*|npm_config_.*|.*_CERT.*|.*_CA_.*)$")
SECONDS = 1000

Shoot = Callable[[str], None]

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def clone(public_folder: Path) -> Path:
    """What `git clone` gives a stranger."""
    target = public_folder / "waylab"
    git = shutil.which("git") or "git"
    subprocess.run([git, "clone", "-q", ROOT, target], check=True, timeout=120)
    return target


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    # Shown where the test then fails.
    context.on("requestfailed", lambda one: print(one.url, one.failure))
    yield context.new_page()
    context.close()


@pytest.fixture
def shoot(page: Page, tmp_path: Path) -> Shoot:
    folder = Path(os.environ.get("WAYLAB_SCREENSHOTS", tmp_path)).absolute()
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        page.screenshot(path=folder / f"{name}.png")

    return take


def test_a_stranger_gets_from_clone_to_finished_remote_notebook(
    clone: Path,
    public_folder: Path,
    start_site: Callable[..., Any],
    page: Page,
    shoot: Shoot,
) -> None:
    home = public_folder / "stranger"
    home.mkdir(mode=0o755)
    environ = {name: text for name, text in os.environ.items() if KEPT.match(name)}
    environ["PATH"] = without_our_environment(environ["PATH"])
    site = start_site(
        ["make", "-C", clone, "up"],
        home / ".local/share/waylab",
        {**environ, "HOME": str(home)},
    )
    site.wait_for_line("Waylab is ready: ", seconds=SECONDS)
    name, password = first_sign_in(site.printed)

    page.goto(site.url)
    shoot("sign-in")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", password)
    page.get_by_role("button", name="Sign in").click()
    start_lab(page, shoot)
    open_starter(page)
    shoot("lab-notebook")
    submit(page, shoot)
    watch(page, shoot)

    # `make` ends of the signal itself, once what it started has ended.
    assert site.stop() in {0, 2, -signal.SIGINT}
    assert "Traceback" not in site.printed
    assert site.left_over() == []


def without_our_environment(path: str) -> str:
    """Give PATH without this test run's own virtual environment."""
    own = str(ROOT / ".venv")
    return os.pathsep.join(
        part for part in path.split(os.pathsep) if not part.startswith(own)
    )


def first_sign_in(printed: str) -> tuple[str, str]:
    """Find the first admin's name and password in what `make up` printed."""
    found = re.search(r"Sign in as (\S+) with the password (\S+)", printed)
    assert found is not None, printed
    return found[1], found[2]


def start_lab(page: Page, shoot: Shoot) -> None:
    """Choose the first profile and wait for JupyterLab."""
    page.wait_for_url(re.compile(r"/hub/spawn"))
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_visible()
    shoot("spawn")
    start.click()
    page.wait_for_url(re.compile(r"/user/[^/]+/lab"), timeout=90_000)
    expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)


def open_starter(page: Page) -> None:
    """Open the regression starter from the launcher."""
    page.locator(".jp-LauncherCard", has_text="Regression").click()
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
    expect(page.locator(".jp-Toolbar-kernelName")).to_contain_text("Python 3")


def submit(page: Page, shoot: Shoot) -> None:
    """Run the open notebook remotely, with one parameter changed."""
    page.get_by_role("button", name="Run remotely…").first.click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog.get_by_label("Queue")).to_be_enabled()
    expect(dialog.get_by_label("Queue")).to_contain_text("slots free")
    trees = dialog.get_by_role("textbox", name="trees")
    expect(trees).to_have_value("120")
    trees.fill("many")
    dialog.get_by_role("button", name="Run remotely").click()
    expect(dialog.get_by_role("alert").first).to_be_visible()
    trees.fill("60")
    shoot("run-remotely")
    dialog.get_by_role("button", name="Run remotely").click()
    expect(dialog).to_be_hidden(timeout=30_000)


def watch(page: Page, shoot: Shoot) -> None:
    """See the run come to its end in the sidebar, and what it left."""
    page.locator(".jp-SideBar [data-id=waylab-runs]").click()
    row = page.locator(".wl-Row").first
    expect(row).to_contain_text("regression-diabetes")
    row.click()
    panel = page.locator(".wl-Panel")
    expect(panel.locator(".wl-Facts")).to_contain_text("Completed", timeout=180_000)
    panel.get_by_role("tab", name="Log").click()
    expect(panel.locator(".wl-Panel-content")).to_contain_text("R2", timeout=30_000)
    panel.get_by_role("tab", name="Parameters").click()
    expect(panel.locator(".wl-Panel-content")).to_contain_text("60")
    panel.get_by_role("tab", name="Artifacts").click()
    expect(panel.locator(".wl-Panel-content")).to_contain_text("notebook")
    panel.get_by_role("tab", name="Scalars").click()
    expect(panel.locator(".wl-Panel-content svg").first).to_be_visible()
    shoot("lab-run")
    panel.get_by_role("button", name="Open output notebook").click()
    # What has run has a number; cells further down are drawn when scrolled to.
    output = page.locator(".jp-NotebookPanel", has=page.get_by_text("[1]:"))
    expect(output).to_be_visible(timeout=30_000)
    shoot("lab-output")
