"""Whether the users' own accounts can reach what labs and jobs run."""

from __future__ import annotations

import sys
from pathlib import Path

from waylab_hub.errors import StartError
from waylab_site.state import barrier


def check_reachable(templates: Path) -> None:
    """Refuse to start where every lab would fail for a closed folder.

    Raises:
        StartError: with the folder and the remedy.
    """
    parts = {
        "Waylab's Python": Path(sys.prefix),
        "the Python beneath it": Path(sys.executable).resolve().parent,
        "Waylab's code": Path(__file__).parent,
        "the templates": templates,
    }
    for what, path in parts.items():
        closed = barrier(path)
        if closed is not None:
            msg = (
                f"The users' own accounts, under which labs run, cannot reach {what} "
                f"in {path}, as {closed} is closed to them: move Waylab to a folder "
                f"such as /opt/waylab, or open it with chmod o+x {closed}."
            )
            raise StartError(msg)
