"""The second `make up`: from the command to "ready", beside a stock hub's start."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.benchmarks.measure import Pair, Report, Setting, alternate
from tests.benchmarks.stock_hub import StockHub

from waylab_hub.testing import Waylab, remove_accounts
from waylab_spawner.testing import free_port

ROOT = Path(__file__).resolve().parents[2]
SET_UP, UP, STOCK = "set-up with nothing to do", "waylab up", "stock JupyterHub"


def run(setting: Setting) -> Report:
    waylab = Waylab(setting.folder / "state", free_port())
    stock = StockHub(setting.folder / "stock")

    def start_ours() -> float:
        began = time.monotonic()
        waylab.start()
        seconds = time.monotonic() - began
        waylab.signal(signal.SIGTERM)
        return seconds

    def start_stock() -> float:
        began = time.monotonic()
        with stock.running():
            return time.monotonic() - began

    steps = {SET_UP: _set_up, UP: start_ours, STOCK: start_stock}
    report = Report("The second start")
    why_not = _not_set_up()
    if why_not:
        del steps[SET_UP]
        report.notes.append(f"Set-up was not measured: {why_not}")
    try:
        for step in steps.values():  # The first start makes keys and databases.
            step()
        found = alternate(setting.rounds, steps)
    finally:
        waylab.signal(signal.SIGTERM)
        remove_accounts(waylab.root / "homes")
    floor = found[STOCK]
    report.pairs.append(Pair(f"`{UP}` to ready", found[UP], STOCK, floor))
    if SET_UP in found:
        whole = tuple(a + b for a, b in zip(found[SET_UP], found[UP], strict=True))
        report.pairs.append(Pair(SET_UP, found[SET_UP], STOCK, floor))
        report.pairs.append(Pair("`make up`: both", whole, STOCK, floor))
    report.notes.append(
        "Stock: `jupyterhub` with its own proxy and an existing database, until its "
        "API answers. Ours starts proxy, tracking, hub and an agent, and says that it "
        "is ready when all of them answer."
    )
    return report


def _set_up() -> float:
    began = time.monotonic()
    subprocess.run(
        [str(shutil.which("python3")), "hub/install/bootstrap.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return time.monotonic() - began


def _not_set_up() -> str:
    """Say why set-up cannot be timed: it must never have anything to do here."""
    if not (ROOT / ".venv" / "waylab-install" / "stamps.json").exists():
        return "this folder's .venv was not made by set-up."
    return ""
