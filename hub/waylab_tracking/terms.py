"""ClearML's filters by tags and plain values, in prefix notation. Pure.

`a b -c` is (a or b) and not c. `__$all`/`__$and` and `__$any`/`__$or` begin a group;
groups are joined by "and"; `__$not` negates the one word after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ALL = ("__$all", "__$and")
ANY = ("__$any", "__$or")
NOT = "__$not"


@dataclass(frozen=True)
class Term:
    """A word that is wanted, or one that must not be there."""

    word: Any
    negated: bool = False


@dataclass(frozen=True)
class Group:
    """Terms of which all must hold, or any."""

    every: bool
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Terms:
    """What a filter wants: all of its groups."""

    groups: tuple[Group, ...]

    def hold(self, has: Callable[[Any], bool]) -> bool:
        """Say whether the filter is met by what has some words."""
        return all(
            (all if group.every else any)(
                has(term.word) != term.negated for term in group.terms
            )
            for group in self.groups
        )

    @property
    def words(self) -> list[Any]:
        """All words that the filter asks for."""
        return [term.word for group in self.groups for term in group.terms]


def read(wanted: Any, skipped: tuple[str | None, ...] = ("", None)) -> Terms:
    """Read a filter; what is skipped stands for nothing."""
    listed = wanted if isinstance(wanted, list) else [wanted]
    banned: list[Term] = []
    groups: list[tuple[str, list[Term]]] = [("", [])]
    negated = False
    for word in (one for one in listed if one not in skipped):
        if word == NOT:
            negated = True
        elif word in ALL or word in ANY:
            groups.append(("all" if word in ALL else "any", []))
        elif isinstance(word, str) and word.startswith("-"):
            banned.append(Term(word[1:], negated=True))
        elif negated and not groups[-1][0]:
            banned.append(Term(word, negated=True))
            negated = False
        else:
            groups[-1][1].append(Term(word, negated))
            negated = False
    found = [Group(mode == "all", tuple(terms)) for mode, terms in groups if terms]
    return Terms((*([Group(True, tuple(banned))] if banned else []), *found))
