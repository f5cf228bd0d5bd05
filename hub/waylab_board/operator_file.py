"""The file with which the command line on the hub's machine speaks to the board."""

from __future__ import annotations

import json
import secrets

from waylab_board.settings import BoardSettings
from waylab_site.state import write_private


def operator_token(settings: BoardSettings) -> str:
    """Give the operator's token; the 0600 file is made, or its address corrected.

    Empty if there is no such file.

    Raises:
        StateError: it cannot be written.
    """
    path = settings.operator_file
    if path is None:
        return ""
    token = ""
    try:
        known = json.loads(path.read_text("utf-8"))
        token = str(known["token"])
        if known.get("url") == settings.base_url:
            return token
    except (OSError, ValueError, KeyError, TypeError):
        pass
    token = token or secrets.token_urlsafe(32)
    write_private(path, json.dumps({"url": settings.base_url, "token": token}))
    return token
