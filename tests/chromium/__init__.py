"""The machine's own Chromium, headless, for tests that look at pages."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
MISSING = "" if CHROMIUM else "no `chromium` on PATH: apt-get install chromium"
FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root with its sandbox.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """Give a Chromium of the caller's own; skip the test where there is none.

    Not for a whole session: while Playwright is there, its event loop is the running
    one, and asynchronous tests have no place.
    """
    if CHROMIUM is None:
        pytest.skip(MISSING)
    expect.set_options(timeout=30_000)  # A busy machine is slow, and no fault.
    quiet = [sys.executable, str(Path(__file__).with_name("quiet.py")), CHROMIUM]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        program = Path(folder) / "chromium"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(quiet)} "$@"\n', "utf-8")
        program.chmod(0o700)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
