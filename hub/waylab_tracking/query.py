"""ClearML's filters, projections and order, on documents. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from waylab_tracking.errors import validation

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
    multi = body.get("_any_") or body.get("_all_")
    if isinstance(multi, Mapping) and multi.get("pattern"):
        hits = [
            search(multi["pattern"], str(get(doc, one) or ""))
            for one in multi.get("fields") or ()
        ]
        if not (any(hits) if body.get("_any_") else all(hits)):
            return False
    return all(
        get(doc, name) in (wanted if isinstance(wanted, list) else [wanted])
        for name, wanted in body.items()
        if "." in name and wanted is not None
    )


def search(pattern: str, text: object) -> bool:
    """Say whether a pattern of ClearML's (case aside) is found in a text."""
    try:
        return re.search(pattern, str(text or ""), re.IGNORECASE) is not None
    except re.error as error:
        msg = f"{pattern!r} is no pattern: {error}"
        raise validation(msg) from error


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
    start, size = body.get("start"), body.get("size")
    if size is None:
        size = body.get("page_size")
        start = None if size is None else (body.get("page") or 0) * size
    if size is not None:
        docs = docs[start or 0 : (start or 0) + size]
    return docs


def _key(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, "")
    if isinstance(value, bool | int | float):
        return (1, float(value))
    return (2, str(value).casefold())


def _in(value: Any, wanted: list[Any]) -> bool:
    plain = [one for one in wanted if not (isinstance(one, str) and _operator(one))]
    banned = [one[1:] for one in wanted if isinstance(one, str) and one[:1] == "-"]
    if value in banned:
        return False
    return not plain or value in plain


def _operator(word: str) -> bool:
    return word.startswith(("-", "__$"))


def _tagged(tags: list[str], wanted: Any) -> bool:
    """Apply ClearML's operators: `-x`, `__$not`, `__$all/and`, `__$any/or`."""
    needed: list[str] = []
    either: list[str] = []
    group, negated = either, False
    for word in wanted if isinstance(wanted, list) else [wanted]:
        if word in ("__$all", "__$and"):
            group = needed
        elif word in ("__$any", "__$or"):
            group = either
        elif word == "__$not":
            negated = True
        elif negated or str(word).startswith("-"):
            if str(word).removeprefix("-") in tags:
                return False
            negated = False
        elif word is not None:
            group.append(word)
    return all(one in tags for one in needed) and (
        not either or any(one in tags for one in either)
    )
