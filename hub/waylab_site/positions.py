"""Where in a TOML text a value stands.

`tomllib` gives values without positions. This scan finds the line of every table
header and key; what it cannot see (values inside an inline table or array) is placed
at the key that holds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
    r"""(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_TOKEN = re.compile(
    r'''"""|\'\'\'|"(?:\\.|[^"\\])*"|'[^']*'|#.*|[\[\]{}]''',
)


def line_of(text: str, path: Path) -> int:
    """Give the line, from 1, of the value at a path, or of the nearest thing above.

    `text` is valid TOML. Items of an array of tables are counted from 0 in the path.
    """
    lines = dict(_positions(text))
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def _positions(text: str) -> Iterator[tuple[Path, int]]:
    table: Path = ()
    counts: dict[Path, int] = {}
    open_string = ""
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        rest = line
        if not open_string and depth == 0:
            if header := _HEADER.match(line):
                table = _resolve(_parts(header[2]), counts)
                if header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, counts[table])
                yield table, number
                continue
            if key := _KEY.match(line):
                path = table
                for part in _parts(key[1]):
                    path = (*path, part)
                    yield path, number
                rest = line[key.end() :]
        open_string, depth = _follow(rest, open_string, depth)


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _resolve(parts: tuple[str, ...], counts: dict[Path, int]) -> Path:
    path: Path = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    return (*path, parts[-1])


def _follow(text: str, open_string: str, depth: int) -> tuple[str, int]:
    """Follow strings and brackets to the end of a line."""
    while text:
        if open_string:
            _, closing, text = text.partition(open_string)
            if not closing:
                break
            open_string = ""
            continue
        token = _TOKEN.search(text)
        if token is None:
            break
        text = text[token.end() :]
        if token[0] in {'"""', "'''"}:
            open_string = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return open_string, depth
