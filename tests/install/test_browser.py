"""The script that brings a browser for the tests: what satisfies it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "hub" / "install" / "browser.sh"


@pytest.mark.parametrize(
    ("installed", "satisfied"), [("chromium", True), ("google-chrome", False)]
)
def test_only_the_browser_that_the_tests_look_for_will_do(
    tmp_path: Path, installed: str, satisfied: bool
) -> None:
    browser = tmp_path / installed
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    # Without apt-get, as on other systems: the script tells instead of installing.
    (tmp_path / "id").symlink_to(str(shutil.which("id")))
    ran = subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert (ran.stdout == "") == satisfied
