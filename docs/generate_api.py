"""Writes `reference/api.md` from the endpoints themselves: `make docs`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute

import waylab_tracking.services  # noqa: F401 - registers the endpoints
from waylab_board import changing, nodes, own_keys, pcs, reading
from waylab_board.app import TAGS
from waylab_lab.app import ROUTES
from waylab_tracking.access import ROWS, Need
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
version in front (`/v2.23/...`) is read over. Beside these there are `debug.ping` and
`/openapi.json`, which describes every request; they ask for nothing. A job's token
counts as *user*. *Needs* says what must be so of the things that the body names: that
the caller sees them, or that they are the caller's own (admins own everything, agents
the tasks that they took). What a caller does not see is answered for as what is not
there, and is in no list.
"""
BOARD = """\
## The board: `/services/gpus/api/v1`

For the GPU ledger. A request needs the hub's sign-in, or `Authorization: token` with a
hub token of a user who may use the service `gpus`; hub and agents have tokens of their
own. `/services/gpus/openapi.json` describes every value.
"""
METHODS = ("get", "post", "put", "patch", "delete")


def page() -> str:
    """Give the whole page."""
    parts = [LAB, *_lab(), "", BOARD, *_board(), "", TRACKING, *_tracking()]
    return "\n".join([INTRODUCTION, *parts])


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
        yield "| action | for | needs | what it does |"
        yield "|---|---|---|---|"
        for name, endpoint in sorted(ENDPOINTS.items()):
            if name.startswith(f"{service}."):
                roles = ", ".join(sorted(role.value for role in ROWS[name].roles))
                needs = ", ".join(map(_need, ROWS[name].needs)) or "-"
                does = _first(endpoint.handler)
                yield f"| `{name}` | {roles} | {needs} | {does} |"
        yield ""


def _need(need: Need) -> str:
    return f"{need.right.value} `{need.field}`"


def _board() -> Iterator[str]:
    routes = [
        route
        for part in (reading, changing, nodes, own_keys, pcs)
        for route in part.router.routes
        if isinstance(route, APIRoute)
    ]
    for tag in TAGS:
        tagged = [route for route in routes if tag["name"] in route.tags]
        if not tagged:
            continue
        yield f"### {tag['name'].capitalize()}\n\n{tag['description']}\n"
        yield "| route | method | what it does |"
        yield "|---|---|---|"
        for route in tagged:
            verbs = ", ".join(sorted(route.methods or ()))
            yield f"| `{route.path}` | {verbs} | {_first(route.endpoint)} |"
        yield ""


def _first(documented: Any) -> str:
    """Give the first paragraph of a docstring on one line."""
    text = inspect.getdoc(documented) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
