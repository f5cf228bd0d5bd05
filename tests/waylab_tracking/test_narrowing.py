"""What the database leaves out of lists: never what matches, and in the right order."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from waylab_tracking import listing, query
from waylab_tracking.database import labels, listed, metadata
from waylab_tracking.narrowing import literals, narrow

NAMES = (
    *("Run 1 of model b", "run_12%", "a+b", "A.B", "ab", "aab", "Straße", "STRASSE"),
    *("\N{LATIN SMALL LETTER LONG S}\N{KELVIN SIGN}i", "Ski", "a\\b", "über", "ÜBER"),
    *("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}x", "half \ud800 a pair", "a\0b"),
)
PATTERNS = (
    *(
        "run",
        "RUN_12%",
        r"a\+b",
        "a+b",
        "a*b",
        "ab?",
        "^ab$",
        "^a",
        "b$",
        r"a\.b",
        "a.b",
    ),
    *(
        "a{0}b",
        "a{2}b",
        r"\x41b",
        r"\d+",
        r"run\ \d",
        "x|ab",
        "(ab)*",
        "[ab]b",
        "straße",
    ),
    *(
        "ski",
        "^SKI$",
        r"a\\b",
        "über",
        "a.*b",
        "i\N{COMBINING DOT ABOVE}x",
        "half .* a",
    ),
    *("^$", "", r"\Qa.b\E", "(?i)AB", "a ?b", r"^run\b", r"\\", "a\0b"),
)
WORDS = ("a", "b", "-a", "-b", "__$all", "__$any", "__$not", "__$and", "__$or")
STATES = ("created", "queued", "completed")
TIMES = (f"2026-01-0{n}T00:00:00.000000+00:00" for n in range(1, 5))
TIME = st.sampled_from([*TIMES])
TEXT = st.sampled_from(NAMES)
TASK = st.fixed_dictionaries(
    {
        "name": TEXT,
        "comment": TEXT | st.none(),
        "status": st.sampled_from(STATES),
        "type": st.sampled_from(["training", "testing"]),
        "user": st.sampled_from("ab"),
        "project": st.sampled_from("ab") | st.none(),
        "parent": st.sampled_from("ab") | st.none(),
        "tags": st.lists(st.sampled_from("abc")),
        "system_tags": st.lists(st.sampled_from(["archived", "a"])),
        "created": TIME,
        "completed": TIME | st.none(),
        "last_update": TIME,
        "last_iteration": st.integers(0, 2) | st.none(),
    }
)
FILTER = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(PATTERNS),
        "search_text": TEXT,
        "_any_": st.fixed_dictionaries(
            {
                "pattern": st.sampled_from(PATTERNS),
                "fields": st.lists(st.sampled_from(["name", "comment", "id", "type"])),
            }
        ),
        "status": st.lists(st.sampled_from([*STATES, "-queued", "__$not", ""])),
        "user": st.lists(st.sampled_from(WORDS)),
        "project": st.lists(st.sampled_from(WORDS) | st.none()),
        "parent": st.lists(st.sampled_from(WORDS) | st.none()),
        "tags": st.lists(st.sampled_from(WORDS)),
        "system_tags": st.lists(st.sampled_from(["archived", "-archived", *WORDS])),
        "order_by": st.lists(
            st.sampled_from(
                ["name", "-name", "completed", "-completed", "-last_update"]
            )
            | st.sampled_from(["last_iteration", "-last_iteration", "status", "type"]),
            max_size=2,
        ),
    },
)
ENGINE = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
metadata.create_all(ENGINE, [listed, labels])


@given(st.lists(TASK, min_size=1, max_size=8), FILTER)
def test_no_match_is_left_out_and_the_order_is_that_of_documents(
    fields: list[dict[str, Any]], body: dict[str, Any]
) -> None:
    heads = [{"id": f"{n:032x}", **one} for n, one in enumerate(fields)]
    newest = sorted(heads, key=lambda head: head["created"], reverse=True)
    with ENGINE.connect() as db:  # Never committed.
        for head in heads:
            listing.add(db, head)
        statement, in_order = narrow(body)
        ids = list(db.execute(statement).scalars())

    known = {head["id"]: head for head in heads}
    found = [known[one] for one in ids if query.matches(known[one], body)]
    expected = query.page([one for one in newest if query.matches(one, body)], body)
    assert (found if in_order else query.page(found, body)) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("Model_B 50%", ["model_b 50%"]),
        (r"^a\.b$", ["a.b"]),
        ("exp.*lr", ["exp", "lr"]),
        ("colou?r", ["colo", "r"]),
        ("ab+c", ["ab", "c"]),
        (r"lr=\d+", ["lr="]),
        ("a|b", []),
        ("(a)b", []),
        ("a{2}", []),
        (r"\x41", []),
        ("a" * 1001, []),
    ],
)
def test_what_a_pattern_needs_is_known(pattern: str, expected: list[str]) -> None:
    assert literals(pattern) == expected


def test_a_task_written_again_has_its_new_tags_alone() -> None:
    head = {"id": "1", "user": "a", "status": "created", "type": "training"}
    head |= {"created": "2026", "name": "one"}
    with ENGINE.connect() as db:
        listing.add(db, {**head, "tags": ["a", "b"], "system_tags": ["a"]})
        listing.write(db, {**head, "tags": ["b", "b", "c"]})
        tags = db.execute(sa.select(labels.c.tag, labels.c.system)).all()
        listing.remove(db, "1")
        left = [db.execute(sa.select(one)).all() for one in (listed, labels)]

    assert sorted(tuple(row) for row in tags) == [("b", False), ("c", False)]
    assert left == [[], []]
