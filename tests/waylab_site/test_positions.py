from __future__ import annotations

import pytest

from waylab_site.positions import Path, line_of

TEXT = '''\
a = 1
b.c = "x # no comment"

[t] # a table
k = """
[not.a.table]
z = 1
"""
list = [
  "[[", # not a header
  { inner = 2 },
]
after = 3

[[items]]
name = "one"
[items.sub]
deep = 1
[[items]]
"quoted key" = 'two'
[[items.parts]]
p = 1
[[items.parts]]
p = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("b", "c"), 2),
        (("t",), 4),
        (("t", "k"), 5),
        (("t", "list", 1, "inner"), 9),
        (("t", "after"), 13),
        (("items", 0, "name"), 16),
        (("items", 0, "sub", "deep"), 18),
        (("items", 1, "quoted key"), 20),
        (("items", 1, "missing"), 19),
        (("items", 1, "parts", 0, "p"), 22),
        (("items", 1, "parts", 1, "p"), 24),
        (("nowhere",), 1),
    ],
)
def test_a_value_is_found_at_its_line(path: Path, line: int) -> None:
    assert line_of(TEXT, path) == line
