"""ClearML's filters, projections and order, on documents. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from waylab_tracking import ranges, terms
from waylab_tracking.patterns import search

Json = dict[str, Any]
LISTS = ("id", "status", "type", "project", "user", "parent", "last_worker")
TAGS = ("tags", "system_tags")
PATTERNS = ("name", "comment", "report")


def matches(doc: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Say whether a document meets the filters of a request."""
    for name in LISTS:
        wanted = body.get(name)
        if wanted in (None, []):
            continue
        wanted = wanted if isinstance(wanted, list) else [wanted]
        if not _in(doc.get(name), wanted):
            return False
    for name in TAGS:
        if (wanted := body.get(name)) and not _tagged(doc.get(name) or [], wanted):
            return False
    for name in PATTERNS:
        if (pattern := body.get(name)) and not search(pattern, doc.get(name)):
            return False
    if (text := body.get("search_text")) and not any(
        str(text).casefold() in str(doc.get(name) or "").casefold()
        for name in ("id", "name", "comment")
    ):
        return False
    for name, join in (("_any_", any), ("_all_", all)):
        multi = body.get(name)
        if isinstance(multi, Mapping) and multi.get("pattern"):
            pattern = multi["pattern"]
            fields = multi.get("fields") or ()
            if not join(search(pattern, get(doc, one)) for one in fields):
                return False
    return ranges.within(lambda name: get(doc, name), body) and all(
        _is_one(get(doc, name), name, wanted)
        for name, wanted in body.items()
        if "." in name and wanted is not None
    )


def check(body: Mapping[str, Any]) -> None:
    """Refuse what is no pattern (400/800), also where there is nothing to match."""
    wanted = [body.get(name) for name in PATTERNS]
    for name in ("_any_", "_all_"):
        if isinstance(multi := body.get(name), Mapping):
            wanted.append(multi.get("pattern"))
    for pattern in filter(None, wanted):
        search(pattern, "")


def _is_one(value: Any, name: str, wanted: Any) -> bool:
    if ranges.is_figure(name):
        return ranges.between(value, wanted)
    return value in (wanted if isinstance(wanted, list) else [wanted])


def names_used(body: Mapping[str, Any]) -> set[str]:
    """Give the fields of a document that a request filters or orders by."""
    used = {
        name
        for name in (*LISTS, *TAGS, *PATTERNS)
        if body.get(name) not in (None, [], "")
    }
    used |= {name for name in body if "." in name}
    for name in ("_any_", "_all_"):
        if isinstance(multi := body.get(name), Mapping):
            used |= {str(one) for one in multi.get("fields") or ()}
    orders = body.get("order_by") or []
    orders = [orders] if isinstance(orders, str) else orders
    return used | ranges.names(body) | {order.lstrip("-") for order in orders}


def get(doc: Mapping[str, Any], path: str) -> Any:
    """Give the value at a dotted path; None if there is none."""
    value: Any = doc
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def project(doc: Json, fields: Iterable[str] | None) -> Json:
    """Keep only some fields, as MongoDB would: parents of missing leaves stay."""
    wanted = list(fields or ())
    if not wanted:
        return doc
    kept: Json = {"id": doc["id"]}
    for path in wanted:
        parts = path.split(".")
        source, target = doc, kept
        for part in parts[:-1]:
            if not isinstance(source.get(part), dict):
                break
            source = source[part]
            target = target.setdefault(part, {})
            if target is source:
                break
        else:
            if parts[-1] in source:
                target[parts[-1]] = source[parts[-1]]
    return kept


def page(docs: list[Json], body: Mapping[str, Any]) -> list[Json]:
    """Put documents in order and give the page that was asked for."""
    orders = body.get("order_by") or []
    for order in reversed([orders] if isinstance(orders, str) else orders):
        name = order.lstrip("-")
        docs = sorted(
            docs, key=lambda doc: _key(get(doc, name)), reverse=order.startswith("-")
        )
    start, stop = _span(body)
    return docs[start:stop]


def end(body: Mapping[str, Any]) -> int | None:
    """Give how many matches a request needs at most; None for all."""
    return _span(body)[1]


def _span(body: Mapping[str, Any]) -> tuple[int, int | None]:
    if size := body.get("size"):
        start = body.get("start") or 0
    elif size := body.get("page_size"):
        start = (body.get("page") or 0) * size
    else:
        return 0, None
    return start, start + size


def _key(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, "")
    if isinstance(value, bool | int | float):
        return (1, float(value))
    return (2, str(value).casefold())


def _in(value: Any, wanted: list[Any]) -> bool:
    """Say whether a value is among others; the operators are those of tags."""
    # "None" is a value here, as of tasks without a parent.
    return _tagged([value], wanted, skipped=("",))


def _tagged(
    tags: list[Any], wanted: Any, *, skipped: tuple[str | None, ...] = ("", None)
) -> bool:
    return terms.read(wanted, skipped).hold(lambda word: word in tags)
