"""Writes `reference/api.md` from the endpoints themselves: `make docs`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import waylab_tracking.services  # noqa: F401 - registers the endpoints
from waylab_lab.app import ROUTES
from waylab_tracking.access import ROLES
from waylab_tracking.registry import ENDPOINTS

PAGE = Path(__file__).parent / "reference" / "api.md"
INTRODUCTION = """\
# The HTTP interfaces

This page is made from the endpoints themselves by `make docs`.
"""
LAB = """\
## A lab: `/user/<name>/waylab/api/`

For the lab's own views. A request needs the lab's sign-in (a token or the browser's
session, with its XSRF token where something is changed). A refusal is
`{"message": ..., "fields": {...}}`, which names the field at fault.

| route | method | answer |
|---|---|---|"""
TRACKING = """\
## Tracking: `/<service>.<action>`

ClearML's wire: `auth.login` gives a token for a key pair, every other call takes it as
`Authorization: Bearer`; the body is a JSON object, the answer ClearML's envelope. A
version in front (`/v2.23/...`) is read over. Beside these there is `debug.ping`, which
asks for nothing. A job's token counts as *user*. Users change only what is theirs,
admins everything.
"""
METHODS = ("get", "post", "put", "patch", "delete")


def page() -> str:
    """Give the whole page."""
    return "\n".join([INTRODUCTION, LAB, *_lab(), "", TRACKING, *_tracking()])


def _lab() -> Iterator[str]:
    for route, handler in ROUTES:
        path = re.sub(r"\([^)]*\)", "<id>", route, count=1)
        path = re.sub(r"\([^)]*\)", "<key>", path)
        for name in METHODS:
            method = vars(handler).get(name)
            if method is not None:
                yield f"| `{path}` | {name.upper()} | {_first(method)} |"


def _tracking() -> Iterator[str]:
    for service in sorted({name.partition(".")[0] for name in ENDPOINTS}):
        yield f"### `{service}`\n"
        yield "| action | for | what it does |"
        yield "|---|---|---|"
        for name, endpoint in sorted(ENDPOINTS.items()):
            if name.startswith(f"{service}."):
                roles = ", ".join(sorted(role.value for role in ROLES[name]))
                yield f"| `{name}` | {roles} | {_first(endpoint.handler)} |"
        yield ""


def _first(documented: Any) -> str:
    """Give the first paragraph of a docstring on one line."""
    text = inspect.getdoc(documented) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
