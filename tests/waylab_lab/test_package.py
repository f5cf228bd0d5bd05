from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import waylab_lab

LAB = Path(__file__).parents[2] / "extensions" / "lab"


def test_both_halves_have_one_version() -> None:
    package = json.loads((LAB / "package.json").read_text("utf-8"))
    assert package["version"] == waylab_lab.__version__


def test_the_lock_names_no_download_host() -> None:
    lock = (LAB / "yarn.lock").read_text("utf-8")
    assert not re.search(r"https?://", lock)


def test_the_built_extension_is_what_jupyterlab_looks_for() -> None:
    package = json.loads((LAB / "package.json").read_text("utf-8"))
    project = tomllib.loads((LAB / "pyproject.toml").read_text("utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    built = package["jupyterlab"]["outputDir"]
    assert shared[built] == f"share/jupyter/labextensions/{package['name']}"
    (point,) = waylab_lab._jupyter_labextension_paths()
    assert point["dest"] == package["name"]
