"""Where the parts that are not Python modules lie: proxy, pages, starters."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from waylab_hub.errors import StartError

PROXY_NAME = "configurable-http-proxy"


def templates_root(named: Path | None) -> Path:
    """Give the folder `templates`: of the checkout, else of the installed wheel.

    Raises:
        StartError: it is in neither place.
    """
    candidates = [
        Path(__file__).parents[2] / "templates",
        Path(sys.prefix) / "share" / "waylab" / "templates",
    ]
    for folder in [named] if named else candidates:
        if (folder / "hub" / "page.html").is_file():
            return folder
    msg = (
        f"The folder of templates is not at {named or candidates[0]}: install Waylab "
        "again, or name it in WAYLAB_TEMPLATES_ROOT."
    )
    raise StartError(msg)


def proxy_command(named: Path | None) -> tuple[str, ...]:
    """Give the command of configurable-http-proxy.

    Raises:
        StartError: it is not installed.
    """
    if named is not None:
        if named.is_file():
            return (str(named),)
        msg = f"WAYLAB_PROXY_COMMAND is {named}, which is not there: correct it."
        raise StartError(msg)
    beside = Path(sys.executable).with_name(PROXY_NAME)
    checkout = Path(__file__).parents[1] / "install" / "proxy" / "node_modules"
    for candidate in (beside, checkout / ".bin" / PROXY_NAME):
        if candidate.exists():
            return (str(candidate),)
    found = shutil.which(PROXY_NAME)
    if found:
        return (found,)
    msg = (
        f"{PROXY_NAME} is not installed: run `make setup` in the checkout, or name it "
        "in WAYLAB_PROXY_COMMAND."
    )
    raise StartError(msg)
