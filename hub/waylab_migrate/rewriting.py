"""Ids and links in what is copied: the target gives new ids, and has another host."""

from __future__ import annotations

import re
from typing import Any

ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


class Rewriter:
    """Turns what the source says into what the target must say."""

    def __init__(self, ids: dict[str, str], source: str, target: str) -> None:
        """`ids` old to new; the others are the bases of the file servers."""
        self._ids = ids
        self._source = f"{source}/"
        self._target = f"{target}/"
        self._link = re.compile(re.escape(self._source) + r"[^\s\"'<>\\]+")

    def text(self, text: str) -> str:
        """Rewrite ids and links in a text."""
        moved = text.replace(self._source, self._target)
        return ID.sub(lambda found: self._ids.get(found[0], found[0]), moved)

    def value(self, value: Any) -> Any:
        """Rewrite all texts in a JSON value, names of fields included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {self.text(name): self.value(one) for name, one in value.items()}
        return value

    def path(self, path: str) -> str:
        """Give the path that a file has on the target."""
        return ID.sub(lambda found: self._ids.get(found[0], found[0]), path)

    def links(self, value: Any) -> set[str]:
        """Give the paths of all of the source's files that a value links to."""
        if isinstance(value, str):
            if value.startswith(self._source) and not re.search(r"[<>\"\n]", value):
                return {value.removeprefix(self._source)}
            found = self._link.findall(value)
            return {one.removeprefix(self._source) for one in found}
        if isinstance(value, list):
            return set().union(*map(self.links, value))
        if isinstance(value, dict):
            return set().union(*map(self.links, value.values()))
        return set()
