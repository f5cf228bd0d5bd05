"""Every endpoint is in the reference."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def generator(root: Path) -> ModuleType:
    """Load the program that writes the page."""
    path = root / "docs" / "generate_api.py"
    spec = importlib.util.spec_from_file_location("generate_api", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_of_the_http_interfaces_is_up_to_date(root: Path) -> None:
    written = (root / "docs" / "reference" / "api.md").read_text("utf-8")

    assert written == generator(root).page(), "run `make docs`"
