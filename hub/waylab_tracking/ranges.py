"""ClearML's filters by time and by figure, on documents. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from waylab_tracking.errors import validation

TIMES = (
    "status_changed",
    "last_update",
    "last_change",
    "last_worker_report",
    "created",
    "started",
    "completed",
    "published",
)
JOINS = {"_any_": any, "_or_": any, "_all_": all, "_and_": all}
FIGURE = re.compile(r"last_metrics\.\w+\.\w+\.\w*value")
LIMITS = 2
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "": operator.eq,
}

Get = Callable[[str], Any]


def names(body: Mapping[str, Any]) -> set[str]:
    """Give the fields of time that a request filters by."""
    used = {name for name in TIMES if body.get(name)}
    for name in JOINS:
        multi = body.get(name)
        if isinstance(multi, Mapping) and multi.get("datetime"):
            used |= {str(one) for one in multi.get("fields") or ()}
    return used


def within(get: Get, body: Mapping[str, Any]) -> bool:
    """Say whether a document's times are as a request wants; 400/800 for no time.

    A field's conditions, such as `>=2026-01-31T12:00:00`, must all be met. `_any_`
    (`_or_`) and `_all_` (`_and_`) take conditions as `datetime` for several fields.
    """
    for name in TIMES:
        if (wanted := body.get(name)) and not _meets(get(name), wanted):
            return False
    for name, join in JOINS.items():
        multi = body.get(name)
        if isinstance(multi, Mapping) and (wanted := multi.get("datetime")):
            fields = multi.get("fields") or ()
            if not join(_meets(get(str(one)), wanted) for one in fields):
                return False
    return True


def is_figure(name: str) -> bool:
    """Say whether a filter is for the last, smallest or largest value of a curve."""
    return FIGURE.fullmatch(name) is not None


def between(value: Any, wanted: Any) -> bool:
    """Say whether a figure is within `[from, to]`, where null stands for no limit."""
    if not isinstance(wanted, list) or len(wanted) != LIMITS:
        return bool(value in (wanted if isinstance(wanted, list) else [wanted]))
    low, high = wanted
    if not all(one is None or isinstance(one, int | float) for one in wanted):
        msg = f"a range has two numbers, got {str(wanted)[:100]}"
        raise validation(msg)
    if not isinstance(value, int | float):
        return False
    return (low is None or value >= low) and (high is None or value <= high)


def _meets(value: Any, wanted: Any) -> bool:
    conditions = [_condition(str(one)) for one in _listed(wanted)]
    if value is None:
        return False
    moment = _moment(str(value))
    return all(compare(moment, limit) for compare, limit in conditions)


def _listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


@lru_cache(256)
def _condition(text: str) -> tuple[Callable[[float, float], bool], float]:
    sign = next(one for one in _COMPARED if text.startswith(one))
    return _COMPARED[sign], _moment(text[len(sign) :].strip())


def _moment(text: str) -> float:
    """Give a time's seconds; it is a number of them, or ISO 8601 (UTC unless told)."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return zoned.timestamp()
    except (ValueError, OverflowError) as error:
        msg = f"{text[:100]!r} is no time"
        raise validation(msg) from error
