"""What the database itself can leave out and put in order of a list of tasks. Pure.

A statement is narrowed, never closed: who reads its rows still asks `query.matches`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from waylab_tracking.database import tasks

COLUMNS = ("id", "project", "user", "status")
# Times are text that sorts as the moments do, whatever the case.
TIMES = ("created", "started", "completed", "status_changed", "last_update")
# Patterns of these, some of them behind `\`, stand for themselves; `s` and `k` have
# strangers (U+017F, U+212A) that are the same but for their case.
PLAIN = re.compile(r"(?:\\[ \-/.]|[a-z0-9 /=,:_-])+", re.ASCII | re.IGNORECASE)
STRANGERS = ("\N{LATIN SMALL LETTER LONG S}", "\N{KELVIN SIGN}")


def narrow(
    statement: sa.Select[Any], body: Mapping[str, Any]
) -> tuple[sa.Select[Any], bool]:
    """Leave out what cannot match; say whether rows come in the order asked for."""
    for column in COLUMNS:
        wanted = body.get(column)
        if wanted and not any(map(_operator, wanted)):
            statement = statement.where(tasks.c[column].in_(wanted))
    head = sa.cast(tasks.c.head, sa.Text)
    tags = body.get("tags")
    if isinstance(tags, list) and tags and not any(map(_operator, tags)):
        texts = [json.dumps(tag) for tag in tags if tag]
        if texts:
            found = [head.contains(text, autoescape=True) for text in texts]
            statement = statement.where(sa.or_(*found))
    name = body.get("name")
    if isinstance(name, str) and PLAIN.fullmatch(name):
        text = name.replace("\\", "")
        same = [head.icontains(text, autoescape=True)]
        same += [
            head.contains(json.dumps(one)[1:-1], autoescape=True) for one in STRANGERS
        ]
        statement = statement.where(sa.or_(*same))
    orders = body.get("order_by") or []
    orders = [orders] if isinstance(orders, str) else list(orders)
    newest = tasks.c.created.desc()
    if not orders:
        return statement.order_by(newest), True
    field = str(orders[0]).lstrip("-")
    if len(orders) > 1 or field not in TIMES:
        return statement.order_by(newest), False
    key = tasks.c.head[field].as_string()
    down = str(orders[0]).startswith("-")
    ordered = key.desc().nulls_last() if down else key.asc().nulls_first()
    return statement.order_by(ordered, newest), True


def _operator(word: object) -> bool:
    return str(word).startswith(("-", "__$"))
