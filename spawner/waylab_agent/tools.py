"""What the node lends to a job's container: a folder that it mounts read-only.

It holds `begin.py`, the SDK's defaults, and the official agent with all that it needs,
copied from the environment in which this agent runs: for images that have Python, but
no `clearml-agent`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from packaging.requirements import Requirement

from waylab_agent.begin import kind_of_python
from waylab_agent.orders import BEGIN

logger = logging.getLogger(__name__)

TARGET = "/run/waylab/tools"
"""Where a container sees the folder."""
DEFAULTS = "sdk_defaults"
_AGENT = "clearml-agent"
_LENT = "lent"
_FOLDER_MODE, _FILE_MODE = 0o755, 0o644


@dataclass(frozen=True)
class Tools:
    """The folder on the node; `python` says which Python it lends the agent to."""

    folder: Path
    python: str

    def as_order(self) -> dict[str, str]:
        """Give what `begin.py` must know of it."""
        return {"folder": f"{TARGET}/{_LENT}", "python": self.python}


def prepare(state: Path) -> Tools:
    """Lay the folder out anew, unless this very version of it is there.

    Raises:
        OSError: the disk refuses.
    """
    version = metadata.version(_AGENT)
    folder = state / "tools" / f"clearml-agent-{version}"
    tools = Tools(folder, kind_of_python())
    fresh = folder.with_suffix(".new")
    if not folder.exists():
        shutil.rmtree(fresh, ignore_errors=True)
        lent = fresh / _LENT
        lent.mkdir(parents=True)
        for name in sorted(closure(_AGENT)):
            _copy(name, lent)
        fresh.replace(folder)
        logger.info("%s %s is ready to be lent to images", _AGENT, version)
    # These are small, and may have changed with Waylab itself.
    shutil.copyfile(BEGIN, folder / BEGIN.name)
    defaults = Path(str(files("waylab_clearml") / DEFAULTS))
    shutil.copytree(defaults, folder / DEFAULTS, dirs_exist_ok=True)
    # Containers run under another account, whatever the agent's umask.
    for path in (folder.parent, folder, *folder.rglob("*")):
        path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)
    return tools


def closure(name: str) -> set[str]:
    """Name an installed package and all that it needs here, by their plain names."""
    found: set[str] = set()
    line = [name]
    while line:
        one = line.pop().lower().replace("_", "-")
        if one in found:
            continue
        try:
            needed = metadata.requires(one) or ()
        except metadata.PackageNotFoundError:
            continue  # An optional part that is not installed.
        found.add(one)
        line.extend(_needed(needed))
    return found


def _needed(texts: list[str] | tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _copy(name: str, into: Path) -> None:
    for path in metadata.files(name) or ():
        # Scripts lie beside the packages; they are of no use elsewhere.
        if path.parts[0] == ".." or path.suffix == ".pyc":
            continue
        target = into / str(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(path.locate()), target)
