"""A lab's log file, and its end as its user may see it."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SECRET = re.compile(r"(?i)(token|secret|password|key)(=|:\s*)\S+")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def open_log(path: Path) -> int:
    """Open a fresh log for appending, 0600; the one before is kept as `.1`.

    Raises:
        OSError: it cannot be made.
    """
    if path.exists():
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def tail(path: Path, *, lines: int = 20, max_bytes: int = 8192) -> str:
    """Give the last lines of a log without colours and secrets; empty if none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - max_bytes))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return presentable(text, lines=lines)


def presentable(text: str, *, lines: int) -> str:
    """Give the last lines of a text without colours and secrets."""
    clean = _SECRET.sub(r"\1\2[hidden]", _ESCAPES.sub("", text))
    return "\n".join(clean.splitlines()[-lines:])
