"""From asking the hub for a lab until it is ready, beside a stock JupyterHub's."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from tests.benchmarks.measure import Pair, Report, Setting, alternate, wait_for
from tests.benchmarks.stock_hub import StockHub

from waylab_hub.testing import Browser, Waylab, remove_accounts
from waylab_spawner.testing import free_port

PASSWORD = "correct horse battery"  # noqa: S105 - made up here.
OURS, STOCK, WITH_IRI = "ours", "stock", "stock with rfc3987_syntax"
GOAL = 1.0
LAB_SECONDS = 120


def run(setting: Setting) -> Report:
    iri = install_iri(setting.folder / "iri")
    waylab = Waylab(
        setting.folder / "state", free_port(), {"WAYLAB_ADMIN_PASSWORD": PASSWORD}
    )
    browser = Browser(waylab)
    try:
        waylab.start()
        browser.sign_in("admin", PASSWORD)
        with StockHub(setting.folder / "stock", given={"iri": iri}).running() as stock:
            for user in ("ann", "iri"):
                stock.post(f"/hub/api/users/{user}").raise_for_status()
            own = browser.client
            headers = {"X-XSRFToken": browser.xsrf}
            steps: dict[str, Callable[[], float]] = {
                OURS: lambda: _spawn(own, "admin", headers),
                STOCK: lambda: _spawn(stock, "ann"),
            }
            if iri:
                steps[WITH_IRI] = lambda: _spawn(stock, "iri")
            for step in steps.values():  # The first start makes homes and caches.
                step()
            found = alternate(setting.rounds, steps)
    finally:
        browser.close()
        waylab.signal(signal.SIGTERM)
        remove_accounts(waylab.root / "homes")
    report = Report(
        "A lab's start",
        [Pair("POST to ready", found[OURS], "stock JupyterHub", found[STOCK], GOAL)],
        [
            "Stock: SimpleLocalProcessSpawner and stock jupyterhub-singleuser of this "
            "same environment, waylab_lab switched off in it, started as root with "
            "--allow-root where this is root.",
            "Ours has also given the lab keys of its own for tracking, and, as root, "
            "runs it under its user's account.",
            "Our lock leaves out rfc3987_syntax, an optional check of IRIs that a "
            "plain installation of JupyterLab brings, so the stock lab above is "
            "without it too.",
        ],
    )
    if iri:
        report.pairs.append(
            Pair("POST to ready", found[OURS], WITH_IRI, found[WITH_IRI])
        )
    else:
        report.notes.append("With it: not measured, as it could not be installed.")
    return report


def _spawn(
    client: httpx.Client, user: str, headers: dict[str, str] | None = None
) -> float:
    path = f"/hub/api/users/{user}"
    began = time.monotonic()
    answer = client.post(f"{path}/server", headers=headers)
    answer.raise_for_status()
    wait_for(lambda: _is_ready(client, path), f"the lab of {user}", LAB_SECONDS)
    seconds = time.monotonic() - began
    client.delete(f"{path}/server", headers=headers).raise_for_status()
    wait_for(
        lambda: not client.get(path).json()["servers"], f"the end of {user}'s lab", 60
    )
    return seconds


def _is_ready(client: httpx.Client, path: str) -> bool:
    server = client.get(path).json()["servers"].get("")
    return bool(server and server["ready"])


def install_iri(target: Path) -> str:
    """Install rfc3987_syntax into a folder of its own; empty if that cannot be."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        return ""
    done = subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--python", sys.executable),
            *("--target", str(target), "rfc3987-syntax"),
        ],
        capture_output=True,
        check=False,
    )
    return "" if done.returncode else str(target)
