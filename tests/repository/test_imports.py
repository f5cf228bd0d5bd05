"""Imports go downwards only."""

import subprocess
import sys
from pathlib import Path


def test_packages_import_only_what_is_below_them(root: Path) -> None:
    checked = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        capture_output=True,
        check=False,
        cwd=root,
        text=True,
    )

    assert checked.returncode == 0, checked.stdout
