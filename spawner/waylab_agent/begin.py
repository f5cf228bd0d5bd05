"""The first thing that runs in a job, under its owner's account or in its container.

Run by file name (`python begin.py`); `WAYLAB_JOB_DIR` names the folder in which
`begin.json` lies. It imports the standard library only and keeps to what old Pythons
know, because the image's Python runs it: it finds out whether that Python can run the
task at all, whether the task's requirements are there already, and then becomes
`clearml-agent`. What is unfit is said in `verdict.json`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import re
import runpy
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FORMAT = 1
UNFIT_STATUS = 78
OLDEST = (3, 8)
SHOWN = 8
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


class UnfitError(Exception):
    """This Python cannot run the task; the text says why and what to do."""


def main() -> int:
    """Become the official agent for the task that the folder names."""
    folder = Path(os.environ["WAYLAB_JOB_DIR"])
    order = json.loads((folder / "begin.json").read_text("utf-8"))
    try:
        arguments = prepare(order)
    except UnfitError as error:
        tell(folder, str(error))
        return UNFIT_STATUS
    # The folder of this script is no place to import from.
    sys.path[:] = [x for x in sys.path if Path(x).resolve() != HERE]
    # Its own warnings say nothing to the task's owner.
    warnings.simplefilter("ignore")
    sys.argv = ["clearml-agent", *arguments]
    runpy.run_module("clearml_agent", run_name="__main__", alter_sys=True)
    return 0


def prepare(order: dict[str, Any]) -> list[str]:
    """Set up this process for the task; the arguments of `clearml-agent`.

    Raises:
        UnfitError: it cannot be run here.
    """
    if sys.version_info < OLDEST:
        msg = (
            f"The image's Python is {platform.python_version()}, and jobs need "
            f"{OLDEST[0]}.{OLDEST[1]} or later: choose an image with a newer Python."
        )
        raise UnfitError(msg)
    if order["notebook"] and not has("waylab_runner"):
        msg = (
            f"The image has no package waylab for its {sys.executable}, so it cannot "
            "run notebooks: add `pip install waylab` to the image."
        )
        raise UnfitError(msg)
    if not has("clearml_agent"):
        bring(order.get("tools"))
    missing = lacking(order.get("requirements") or "")
    if missing:
        print("Not in this environment: " + ", ".join(missing[:SHOWN]))
        os.environ.pop("CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL", None)
        make_environment(Path(order["environments"]), order.get("tools"))
    else:
        os.environ["CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL"] = "1"
    arguments = ["execute", "--disable-monitoring"]
    # Standalone mode is without network: nothing can be fetched or installed in it.
    if not missing and not order["repository"]:
        arguments.append("--standalone-mode")
    return [*arguments, "--id", order["task"]]


def bring(tools: dict[str, str] | None) -> None:
    """Take clearml-agent from the folder that the node lends.

    It comes before what the image has, for this process only: the task's own script
    starts with the image's packages alone.
    """
    if tools is None or tools["python"] != kind_of_python():
        lent = tools["python"] if tools else "no Python"
        msg = (
            f"The image has no clearml-agent for its {kind_of_python()}, and the node "
            f"can lend one to {lent} only: add `pip install clearml-agent` to it."
        )
        raise UnfitError(msg)
    sys.path.insert(0, tools["folder"])


def make_environment(folder: Path, tools: dict[str, str] | None) -> None:
    """Make the environment that clearml-agent fills, where the image itself cannot.

    Raises:
        UnfitError: neither can the node's tools.
    """
    if has("virtualenv") and (not tools or not lends(tools)):
        return  # The image's own, which clearml-agent calls.
    if has("ensurepip"):
        return  # The standard library's venv, which it falls back to.
    if tools is None or not lends(tools):
        msg = (
            "The image lacks what the task requires, and has nothing to make an "
            "environment with: add `pip install virtualenv` to the image, or the "
            "requirements themselves."
        )
        raise UnfitError(msg)
    virtualenv = importlib.import_module("virtualenv")
    path = folder / f"{sys.version_info[0]}.{sys.version_info[1]}"
    virtualenv.cli_run([str(path), "--system-site-packages", "--no-download"])


def lends(tools: dict[str, str]) -> bool:
    """Say whether this process works with the node's tools."""
    return tools["folder"] in sys.path


def kind_of_python() -> str:
    """Name what compiled packages depend on."""
    libc = platform.libc_ver()[0] or "another libc"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    name = platform.python_implementation()
    return f"{name} {version} ({platform.machine()}, {libc})"


def lacking(text: str) -> list[str]:
    """Name the requirements that this environment does not satisfy."""
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [
        line
        for line in lines
        if line and not line.startswith("#") and not satisfied(line)
    ]


def satisfied(line: str) -> bool:
    """Say whether a line of requirements needs no installation."""
    requirement = parsed(line)
    if requirement is None:
        return False
    if requirement.url:
        return False
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    return bool(requirement.specifier.contains(version, prereleases=True))


def parsed(line: str) -> Any:
    """Give a line as packaging's Requirement; None if it is another kind of line."""
    if line.startswith("-") or not _NAME.match(line):
        return None
    packaging = packaging_here()
    if packaging is None:
        return None
    try:
        return packaging.Requirement(line)
    except packaging.InvalidRequirement:
        return None


def packaging_here() -> Any:
    """Give the module that reads requirements: the image's own, or pip's copy."""
    for name in ("packaging.requirements", "pip._vendor.packaging.requirements"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def has(module: str) -> bool:
    """Say whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


def tell(folder: Path, message: str) -> None:
    """Leave the verdict where the node's agent looks for it, and in the log."""
    print(message)
    verdict = {
        "format": FORMAT,
        "outcome": "failed",
        "reason": "image-unfit",
        "message": message,
    }
    (folder / "verdict.json").write_text(json.dumps(verdict), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
