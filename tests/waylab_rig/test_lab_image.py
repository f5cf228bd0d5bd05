"""The small image of labs and jobs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.waylab_rig.programs import output

from waylab_rig import lab_images
from waylab_rig.rig import REFERENCE, RunningEngine

pytestmark = pytest.mark.docker

LOOK = """
import importlib.metadata as metadata, importlib.util, json, os, pathlib, sys
names = ("jupyterhub", "jupyterlab", "clearml", "clearml-agent", "waylab", "waylab-lab",
         "ipykernel", "nvidia-ml-py")
def there(name):
    return importlib.util.find_spec(name) is not None
root = pathlib.Path(sys.prefix)
compiled = list(root.glob("lib/*/site-packages/*/__pycache__/*.pyc"))
own = list(root.glob("lib/*/site-packages/waylab_lab/__pycache__/*.pyc"))
print(json.dumps({
    "uid": os.getuid(),
    "home": os.access(pathlib.Path.home(), os.W_OK),
    "prefix": sys.prefix,
    "writable": os.access(root, os.W_OK),
    "versions": {name: metadata.version(name) for name in names},
    "runner": there("waylab_runner"),
    "left out": there("rfc3987_syntax"),
    "compiled": bool(compiled) and bool(own),
    "starters": (root / "share/waylab/templates/notebooks").is_dir(),
    "extension": (root / "share/jupyter/labextensions/@waylab/lab").is_dir(),
    "of apt": sorted(os.listdir("/etc/apt/apt.conf.d")),
    "pages": bool(list(root.glob("lib/*/site-packages/waylab_tracking/web"))),
}))
"""


def test_it_holds_what_labs_and_jobs_need_and_ends_as_nobody_special(
    vision: RunningEngine,
) -> None:
    seen = json.loads(output(vision, "python", "-c", LOOK))

    versions = seen.pop("versions")
    assert versions["jupyterhub"].startswith("6.")
    assert versions["jupyterlab"].startswith("4.")
    assert seen == {
        "uid": 1000,
        "home": True,
        "prefix": "/opt/waylab",
        "writable": False,
        "runner": True,
        "left out": False,
        "compiled": True,
        "starters": True,
        "extension": True,
        "of apt": ["01autoremove", "70debconf"],
        "pages": False,
    }


@pytest.mark.parametrize(
    "command",
    [
        ("jupyterhub-singleuser", "--version"),
        ("clearml-agent", "--version"),
        ("git", "version"),
    ],
)
def test_its_programs_start(vision: RunningEngine, command: tuple[str, ...]) -> None:
    assert "rror" not in output(vision, *command)


def test_nothing_of_the_building_machine_is_in_it(vision: RunningEngine) -> None:
    with vision.engine() as engine:
        config = engine.connection.get_ok(f"/images/{REFERENCE}/json")["Config"]
        layers = engine.connection.get_ok(f"/images/{REFERENCE}/history")
        images = engine.connection.get_ok("/images/json")
    named = {entry.partition("=")[0] for entry in config["Env"]}

    assert named == {"PATH", "VIRTUAL_ENV", "LANG", "SHELL", "HOME"}
    assert config["User"] == "1000:1000"
    assert [layer for layer in layers if "http" in layer["CreatedBy"]] == []
    names = [name for image in images for name in image["RepoTags"] or ()]
    assert [name for name in names if "-base:" in name] == []


def test_a_command_has_it_on_an_engine_that_runs(
    vision: RunningEngine, tmp_path: Path
) -> None:
    done, failed = (
        subprocess.run(
            [sys.executable, "-m", "waylab_rig", "image", "--engine", url],
            capture_output=True,
            text=True,
            check=False,
        )
        for url in (vision.address.url, f"unix://{tmp_path}/nobody.sock")
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert f"has {REFERENCE} (waylab/lab-small:" in done.stdout
    assert failed.returncode == 1
    assert "does not answer" in failed.stderr


def test_having_it_again_takes_no_time(vision: RunningEngine) -> None:
    with vision.engine() as engine:
        lab_images.ensure(engine)
        began = time.monotonic()
        first = lab_images.ensure(engine)
        took = time.monotonic() - began

    assert first.startswith("waylab/lab-small:")
    assert took < 10
