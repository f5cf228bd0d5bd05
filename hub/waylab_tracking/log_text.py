"""A task's console lines as a text to download, a portion at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from waylab_tracking import journal

FORMAT = "{asctime} {worker} {level} {msg}"
PORTION = 5_000
FIELD = re.compile(r"\{(asctime|worker|level|msg|timestamp)\}")


def written(lines: Iterable[journal.Shown], kind: str, form: str) -> Iterator[str]:
    """Give lines as text of a form, or as JSON, one object a line.

    Of the form only the names of fields in braces mean anything.
    """
    for moment, _, worker, level, msg in lines:
        if kind == "json":
            named = {"timestamp": moment, "worker": worker, "level": level, "msg": msg}
            yield f"{json.dumps(named)}\n"
            continue
        fields = {
            "asctime": _told(moment),
            "timestamp": str(moment),
            "worker": worker,
            "level": level,
            "msg": msg.removesuffix("\n"),
        }
        parts = FIELD.split(form)
        # The names of fields are each second part.
        parts[1::2] = [fields[name] for name in parts[1::2]]
        yield "".join(parts) + "\n"


def _told(milliseconds: int) -> str:
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)  # A client's clock may say anything.
    return moment.isoformat(timespec="milliseconds")
