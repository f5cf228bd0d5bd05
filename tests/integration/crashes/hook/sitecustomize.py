"""Kills a program of a site at one exact commit or engine call, as a crash would.

Python imports this by itself where its folder is on PYTHONPATH. The program's code
knows nothing of it. `CRASH_POINTS` names a folder: `order.json` there says which
program is meant and where it dies; the points that it passes are added to `passed`.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLAC")
_NAMED = re.compile(r"/(containers|images|volumes|networks)/(?!create\b|json\b)[^/]+")
_NAMELESS = r"/\1/*"
_ROLES = {
    "-m waylab_board": "board",
    "-m jupyterhub": "hub",
    "-m waylab_agent": "agent",
}
_lock = threading.Lock()
_counts: Counter[str] = Counter()
_order_id = ""


def _role() -> str:
    words = " ".join(sys.orig_argv)
    for word, role in _ROLES.items():
        if word in words:
            return role
    return ""


def _point(folder: Path, role: str, name: str) -> None:
    # An order that is taken back strikes nobody any more: who does so waits here.
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        _pass(folder, role, name)


def _pass(folder: Path, role: str, name: str) -> None:
    global _order_id  # noqa: PLW0603 - one program, one order.
    try:
        order = json.loads((folder / "order.json").read_bytes())
    except (OSError, ValueError):
        return
    if order["role"] != role:
        return
    with _lock:
        if order["id"] != _order_id:
            _order_id = order["id"]
            _counts.clear()
        _counts[name] += 1
        here = f"{name} #{_counts[name]}"
        with (folder / "passed").open("a") as passed:
            passed.write(f"{here}\n")
        if order["strike"] == here:
            os.kill(os.getpid(), signal.SIGKILL)


def _install(folder: Path, role: str) -> None:
    from docker.api.client import APIClient  # noqa: PLC0415 - only where it is meant.
    from sqlalchemy.engine.default import DefaultDialect  # noqa: PLC0415

    dirty: set[int] = set()

    def around(owner: Any, method: str, name_of: Any) -> None:
        original = getattr(owner, method)

        def wrapped(self: Any, *args: Any, **options: Any) -> Any:
            name = name_of(*args)
            if name:
                _point(folder, role, f"before {name}")
            answer = original(self, *args, **options)
            if name:
                _point(folder, role, f"after {name}")
            return answer

        setattr(owner, method, wrapped)

    def note(cursor: Any, statement: str, *_: Any) -> str:
        if statement.lstrip()[:6].upper() in _WRITES:
            dirty.add(id(cursor.connection))
        return ""

    def commit(connection: Any) -> str:
        raw = id(getattr(connection, "dbapi_connection", connection))
        if raw not in dirty:
            return ""
        dirty.discard(raw)
        return "commit"

    around(DefaultDialect, "do_execute", note)
    around(DefaultDialect, "do_executemany", note)
    around(DefaultDialect, "do_commit", commit)

    def call(method: str, url: str, *_: Any, **__: Any) -> str:
        path = re.sub(r"^.*?//localhost(/v[\d.]+)?(?=/)", "", url)
        return f"{method} {_NAMED.sub(_NAMELESS, path)}"

    around(APIClient, "request", call)

    # What an agent commits are the files of its journal, replaced at once.
    def replacing(new: Path) -> str:
        lasts = new.name == "job.json" or new.parent.name == "releases"
        return "commit" if lasts else ""

    if role == "agent":
        around(Path, "replace", replacing)


_where = os.environ.get("CRASH_POINTS", "")
if _where and _role():
    _install(Path(_where), _role())
