"""What the database itself can leave out and put in order of a list of tasks. Pure.

A statement is narrowed, never closed: who reads its rows still asks `query.matches`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from waylab_tracking import terms
from waylab_tracking.database import labels, listed
from waylab_tracking.listing import TAGS, folded

Condition = sa.ColumnElement[bool]
COLUMNS = ("id", "project", "user", "status", "type", "parent")
# Times are text that sorts as the moments do, whatever the case.
ORDERS = (
    *("created", "started", "completed", "status_changed", "last_update"),
    *("last_iteration", "name", "status"),
)
TEXTS = ("id", "name", "comment")
TOKEN = re.compile(
    r"(?P<any>\\[dDwWsSbB]|[.^$])|(?P<repeat>[*+?])"
    r"|(?P<sign>\\[^a-zA-Z0-9]|[^\\|()\[\]{}\x00-\x1f])"
)
LONGEST = 1000  # Of a text; databases have a limit.
MOST = 100  # Of terms that are joined one by one.


def narrow(body: Mapping[str, Any]) -> tuple[sa.Select[tuple[str]], bool]:
    """Select the ids of what may match; say whether they come in the order asked."""
    statement = sa.select(listed.c.id).where(*_conditions(body))
    orders = body.get("order_by") or []
    orders = [orders] if isinstance(orders, str) else [str(one) for one in orders]
    newest = listed.c.created.desc(), listed.c.id
    known = all(one.lstrip("-") in ORDERS for one in orders)
    keys = map(_key, orders) if known else ()
    return statement.order_by(*keys, *newest), known


def _key(order: str) -> sa.UnaryExpression[Any]:
    column = listed.c[order.lstrip("-")]
    if order.startswith("-"):
        return column.desc().nulls_last()
    return column.asc().nulls_first()


def _conditions(body: Mapping[str, Any]) -> list[Condition]:
    found: list[Condition] = []
    for name in COLUMNS:
        if (wanted := body.get(name)) not in (None, []):
            found += _terms(terms.read(wanted, ("",)), _is(listed.c[name]))
    for name, system in TAGS.items():
        if wanted := body.get(name):
            found += _terms(terms.read(wanted), _tagged(system=system))
    if isinstance(pattern := body.get("name"), str):
        found += _pattern(listed.c.name, pattern)
    if isinstance(text := body.get("search_text"), str) and len(text) <= LONGEST:
        found.append(_anywhere(TEXTS, text))
    multi = body.get("_any_")
    if isinstance(multi, Mapping) and isinstance(multi.get("pattern"), str):
        fields, pattern = multi.get("fields") or [], multi["pattern"]
        if fields and {*map(str, fields)} <= {*TEXTS}:
            found += [_anywhere(fields, text) for text in literals(pattern)]
    return found


def _terms(
    wanted: terms.Terms, among: Callable[[list[Any]], Condition]
) -> Iterator[Condition]:
    """Tell the same of a row, where `among` says that it has one of some words."""
    if not all(isinstance(word, str | None) for word in wanted.words):
        return
    for group in wanted.groups:
        words = [term.word for term in group.terms]
        if not (group.every or any(term.negated for term in group.terms)):
            yield among(words)
        elif group.every and all(term.negated for term in group.terms):
            yield ~among(words)
        elif len(words) <= MOST:
            has = ((among([term.word]), term.negated) for term in group.terms)
            each = [~one if negated else one for one, negated in has]
            yield sa.and_(*each) if group.every else sa.or_(*each)


def _is(column: sa.Column[Any]) -> Callable[[list[Any]], Condition]:
    def among(words: list[Any]) -> Condition:
        same = column.in_([word for word in words if word is not None])
        if not column.nullable:
            return same
        if None in words:
            return sa.or_(column.is_(None), same)
        return sa.and_(column.is_not(None), same)  # Never NULL: it may be negated.

    return among


def _tagged(*, system: bool) -> Callable[[list[Any]], Condition]:
    def among(words: list[Any]) -> Condition:
        mine = sa.select(labels.c.task).where(
            labels.c.system == system, labels.c.tag.in_(words)
        )
        return listed.c.id.in_(mine)

    return among


def _anywhere(fields: Iterable[str], text: str) -> Condition:
    texts = {"id": sa.func.lower(listed.c.id)}
    return sa.or_(
        *(
            texts.get(name, listed.c[name]).contains(folded(text), autoescape=True)
            for name in fields
        )
    )


def _pattern(column: sa.Column[Any], pattern: str) -> list[Condition]:
    """Tell what a text has that the pattern is found in."""
    pieces = literals(pattern)
    if pattern.startswith("^") and pattern.endswith("$") and _plain(pattern[1:-1]):
        return [column == one for one in pieces]
    return [column.contains(one, autoescape=True) for one in pieces]


def _plain(pattern: str) -> bool:
    tokens = list(TOKEN.finditer(pattern))
    return all(one["sign"] for one in tokens) and _covered(tokens, pattern)


def literals(pattern: str) -> list[str]:
    """Give texts, without case, that are in whatever a pattern is found in."""
    tokens = list(TOKEN.finditer(pattern))
    if len(pattern) > LONGEST or not _covered(tokens, pattern):
        return []
    found = [""]
    for token in tokens:
        if sign := token["sign"]:
            found[-1] += sign[-1]
            continue
        if token[0] in ("*", "?"):
            found[-1] = found[-1][:-1]
        found.append("")
    return [folded(one) for one in found if one]


def _covered(tokens: list[re.Match[str]], pattern: str) -> bool:
    return sum(len(one[0]) for one in tokens) == len(pattern)
