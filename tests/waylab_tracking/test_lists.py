"""Filters, orders, pages and projections of lists."""

from __future__ import annotations

import re
import time
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.waylab_tracking.door import Door

from waylab_tracking import query
from waylab_tracking.errors import ApiError
from waylab_tracking.patterns import search

ON_POSTGRES = True

TAGS = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["a"], True),
        (["x", "a"], True),
        (["x"], False),
        (["-a"], False),
        (["-x"], True),
        (["a", "-b"], False),
        (["__$all", "a", "b"], True),
        (["__$all", "a", "x"], False),
        (["__$and", "a", "b"], True),
        (["__$any", "x", "c"], True),
        (["__$not", "a"], False),
        (["__$not", "x"], True),
        (["__$all", "a", "__$not", "x"], True),
        (["__$all", "a", "__$not", "b"], False),
        (["__$all", "a", "b", "c", "__$or", "x", "__$not", "y"], True),
        (["__$all", "a", "__$or", "x", "__$not", "b", "__$and", "__$or", "c"], False),
        (["__$or", "x", "y", "__$and", "a"], False),
        ([], True),
        ([None], True),
    ],
)
def test_tags_are_filtered_as_clearml_writes_it(
    wanted: list[str | None], expected: bool
) -> None:
    assert query.matches({"tags": TAGS}, {"tags": wanted}) is expected


@pytest.mark.parametrize("field", ["status", "type", "project", "parent", "user"])
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["a"], True),
        (["x", "a"], True),
        (["x"], False),
        (["-a"], False),
        (["__$not", "a"], False),
        (["__$not", "x"], True),
        (["__$any", "x", "a"], True),
        (["__$all", "__$not", "x", "__$not", "y"], True),
        (["__$all", "__$not", "x", "__$not", "a"], False),
        ([None], False),
        (["__$not", None], True),
    ],
)
def test_plain_fields_know_the_operators_of_tags(
    field: str, wanted: list[str | None], expected: bool
) -> None:
    assert query.matches({field: "a"}, {field: wanted}) is expected


def test_nothing_is_a_value_of_a_field() -> None:
    assert query.matches({"parent": None}, {"parent": [None]})
    assert not query.matches({"parent": None}, {"parent": ["a"]})


def test_tasks_of_another_status_are_found(ann: Door, project: str) -> None:
    every = ann.call("tasks.get_all", project=[project])["tasks"]
    first = every[0]["id"]

    wanted = {"project": [project], "status": ["__$not", "in_progress"]}
    found = ann.call("tasks.get_all", **wanted)["tasks"]
    rest = ann.call("tasks.get_all", id=["__$not", first], project=[project])["tasks"]

    assert found == [one for one in every if one["status"] != "in_progress"]
    assert rest == every[1:]
    assert 0 < len(found) < len(every)


@given(st.lists(st.sampled_from(TAGS)), st.lists(st.sampled_from(TAGS), min_size=1))
def test_all_and_any_mean_what_they_say(tags: list[str], wanted: list[str]) -> None:
    def matches(*words: str) -> bool:
        return query.matches({"tags": tags}, {"tags": list(words)})

    assert matches("__$all", *wanted) == (set(wanted) <= set(tags))
    assert matches("__$any", *wanted) == matches(*wanted) == bool(set(wanted) & {*tags})
    assert matches(*(f"-{one}" for one in wanted)) != matches(*wanted)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["a.b"], {"id": 1, "a": {"b": 2}}),
        (["a.x"], {"id": 1, "a": {}}),
        (["a.b", "a.c.d"], {"id": 1, "a": {"b": 2, "c": {"d": 3}}}),
        (["a"], {"id": 1, "a": {"b": 2, "c": {"d": 3}}}),
        (["x.y"], {"id": 1}),
        (["a.b.z"], {"id": 1, "a": {}}),
        (["a", "a.b"], {"id": 1, "a": {"b": 2, "c": {"d": 3}}}),
        ([], {"id": 1, "a": {"b": 2, "c": {"d": 3}}, "z": None}),
    ],
)
def test_projections_keep_parents(fields: list[str], expected: dict[str, Any]) -> None:
    doc = {"id": 1, "a": {"b": 2, "c": {"d": 3}}, "z": None}

    assert query.project(doc, fields) == expected
    assert doc == {"id": 1, "a": {"b": 2, "c": {"d": 3}}, "z": None}


@pytest.fixture(scope="module")
def project(ann: Door) -> str:
    made = ann.call("projects.create", name="lists/here", description="")["id"]
    for number in range(25):
        task = ann.task(
            f"Task {number:02}",
            project=made,
            tags=["even" if number % 2 == 0 else "odd"],
            system_tags=["archived"] if number >= 20 else [],
            comment=f"comment {number}",
            hyperparams={"Args": {"n": {"name": "n", "value": str(number)}}},
        )
        if number % 5 == 0:
            ann.call("tasks.started", task=task)
    return str(made)


def names(door: Door, project: str, **body: Any) -> list[str]:
    found = door.call("tasks.get_all", project=[project], **body)["tasks"]
    return [task["name"] for task in found]


def numbered(*numbers: int) -> list[str]:
    return [f"Task {number:02}" for number in numbers]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"page": 0, "page_size": 3}, (24, 23, 22)),
        ({"page": 2, "page_size": 3}, (18, 17, 16)),
        ({"page": 9, "page_size": 3}, ()),
        ({"order_by": ["created"], "page": 0, "page_size": 2}, (0, 1)),
        ({"order_by": ["-created"], "page": 1, "page_size": 2}, (22, 21)),
        ({"order_by": ["name"], "start": 3, "size": 2}, (3, 4)),
        ({"order_by": ["hyperparams.Args.n.value"], "size": 3}, (0, 1, 10)),
        ({"status": ["in_progress"], "system_tags": ["-archived"]}, (15, 10, 5, 0)),
        ({"status": ["-created", "-stopped"]}, (20, 15, 10, 5, 0)),
        ({"tags": ["odd"], "name": "task 1"}, (19, 17, 15, 13, 11)),
        ({"name": r"^Task\ 07$"}, (7,)),
        ({"search_text": "COMMENT 13"}, (13,)),
        ({"_any_": {"fields": ["name", "comment"], "pattern": "t 12$"}}, (12,)),
        ({"_all_": {"fields": ["name", "comment"], "pattern": "12"}}, (12,)),
        ({"hyperparams.Args.n.value": ["3", "4"]}, (4, 3)),
        ({"type": ["testing"]}, ()),
    ],
)
def test_tasks_are_filtered_ordered_and_paged(
    ann: Door, project: str, body: dict[str, Any], expected: tuple[int, ...]
) -> None:
    assert names(ann, project, **body) == numbered(*expected)


@pytest.mark.parametrize(
    "pattern", ["a*a*a*a*b", "(a+)+$", "(a|aa)*b", "(.*){9}x", ".*.*.*.*.*.*.*x"]
)
def test_no_pattern_keeps_the_server_busy(ann: Door, pattern: str) -> None:
    ann.task("a" * 150)
    began = time.monotonic()

    search(pattern, "a" * 5000)
    ann.call("tasks.get_all", name=pattern, size=1)

    assert time.monotonic() - began < 5  # Backtracking takes years.


@pytest.mark.parametrize(
    ("pattern", "seen"),
    [
        ("(a", "'(a' is no pattern"),
        ("(?=a)", "'(?=a)' is no pattern"),
        (r"(a)\1", "is no pattern"),
        ("((a{99}){99}){99}", "'((a{99}){99}){99}' is no pattern"),
        ("name " * 2001, "'name name"),
    ],
)
@pytest.mark.parametrize("service", ["tasks", "projects", "models", "queues"])
def test_what_is_no_pattern_is_refused_by_name(
    ann: Door, service: str, pattern: str, seen: str
) -> None:
    answer = ann.post(f"{service}.get_all", name=pattern)

    meta = answer.json()["meta"]
    assert (answer.status_code, meta["result_subcode"]) == (400, 800)
    assert seen in meta["result_msg"]


def test_half_a_character_is_found_by_nothing_and_no_pattern() -> None:
    assert search("a.*b", "a\ud800b")
    with pytest.raises(ApiError, match="is no pattern"):
        search("\ud800", "a")


def test_the_pattern_of_a_pipelines_numbered_runs_is_read(ann: Door) -> None:
    tasks = [ann.task(name) for name in ("nightly #2 #1", "nightly #2", "nightly")]
    ann.task("nightly too")

    found = ann.call("tasks.get_all", name=r"^nightly( #[0-9]+)*$")["tasks"]

    assert [one["id"] for one in found] == tasks[::-1]


def test_escaped_signs_are_no_repetitions(ann: Door) -> None:
    name = "a(b)+*{c}* " * 4
    task = ann.task(name)

    found = ann.call("tasks.get_all", name=f"^{re.escape(name)}$")["tasks"]

    assert [one["id"] for one in found] == [task]


def test_named_ids_come_in_the_order_asked_for(ann: Door, project: str) -> None:
    found = ann.call("tasks.get_all", project=[project], only_fields=["id"])["tasks"]
    ids = [task["id"] for task in found][3:9][::-1]

    answer = ann.call("tasks.get_all", id=ids, only_fields=["name"])["tasks"]

    assert [task["id"] for task in answer] == ids


def test_a_projects_tasks_below_are_found_when_asked(ann: Door, project: str) -> None:
    [above] = ann.call("projects.get_all", name="^lists$")["projects"]

    alone = names(ann, above["id"], size=2)
    below = names(ann, above["id"], size=2, include_subprojects=True)
    nowhere = names(ann, "no-project", size=2, include_subprojects=True)

    assert (alone, below, nowhere) == ([], numbered(24, 23), [])


def test_projects_are_made_with_their_parents_once(ann: Door) -> None:
    made = ann.call("projects.create", name="one/two/three", description="")["id"]

    again = ann.refused("projects.create", name="one/two/three", description="")
    found = ann.call("projects.get_all", name="^one", order_by=["name"])["projects"]

    assert [one["name"] for one in found] == ["one", "one/two", "one/two/three"]
    assert found[2]["id"] == made
    assert found[2]["parent"] == found[1]["id"]
    assert again == (400, 801)


def test_a_renamed_project_takes_those_below_along(ann: Door) -> None:
    ann.call("projects.create", name="old/mid/leaf", description="")
    [mid] = ann.call("projects.get_all", name="^old/mid$")["projects"]

    ann.call("projects.update", project=mid["id"], name="new/middle")
    below = ann.refused("projects.update", project=mid["id"], name="new/middle/x")

    found = ann.call("projects.get_all", name="^(old|new)", order_by=["name"])
    assert [one["name"] for one in found["projects"]] == [
        "new",
        "new/middle",
        "new/middle/leaf",
        "old",
    ]
    assert below == (400, 800)


def test_hidden_projects_show_themselves_only_when_asked(ann: Door) -> None:
    tags = ["hidden", "dataset"]
    name = "sets/.datasets/d1"
    ann.call("projects.create", name=name, description="", system_tags=tags)
    pattern = r"^sets/\.datasets/d1$"

    plain = ann.call("projects.get_all", name=pattern)["projects"]
    hidden = ann.call("projects.get_all", name=pattern, search_hidden=True)["projects"]

    assert plain == []
    assert [one["name"] for one in hidden] == [name]


def test_a_project_with_runs_is_not_deleted(ann: Door, project: str) -> None:
    assert ann.refused("projects.delete", project=project) == (400, 402)


def test_tags_and_parents_of_all_tasks_are_listed(ann: Door, project: str) -> None:
    clone = ann.call(
        "tasks.clone",
        task=ann.call("tasks.get_all", project=[project], size=1)["tasks"][0]["id"],
    )["id"]

    tags = ann.call("projects.get_task_tags", projects=[project], include_system=True)
    parents = ann.call("projects.get_task_parents", projects=[project])["parents"]
    everywhere = ann.call("organization.get_tags")["tags"]

    assert tags == {"tags": ["even", "odd"], "system_tags": ["archived"]}
    assert [one["name"] for one in parents] == numbered(24)
    assert {"even", "odd"} <= set(everywhere)
    ann.call("tasks.delete", task=clone)


@pytest.mark.parametrize(
    "order", ["-last_update", "last_update", "-completed", "completed", "created"]
)
def test_what_the_database_orders_is_in_the_order_of_the_documents(
    ann: Door, order: str
) -> None:
    project = ann.call("projects.create", name=f"ordered by {order}", description="")
    made = [ann.task(f"ordered {n}", project=project["id"]) for n in range(6)]
    for task in (made[4], made[1]):
        ann.call("tasks.started", task=task)
        ann.call("tasks.completed", task=task)

    whole = ann.call("tasks.get_all", project=[project["id"]], order_by=[order])
    first, second = (
        ann.call(
            "tasks.get_all",
            project=[project["id"]],
            order_by=[order],
            only_fields=["name"],
            page=page,
            page_size=3,
        )
        for page in (0, 1)
    )

    field = order.lstrip("-")
    expected = sorted(
        sorted(whole["tasks"], key=lambda one: one["created"], reverse=True),
        key=lambda one: one.get(field) or "",
        reverse=order.startswith("-"),
    )
    ids = [one["id"] for one in expected]
    assert [one["id"] for one in whole["tasks"]] == ids
    assert [one["id"] for one in first["tasks"] + second["tasks"]] == ids


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("MODEL_b 50", ["Model_B 50% \\ done"]),
        (r"50% \\ done", ["Model_B 50% \\ done"]),
        ("ski", ["\N{LATIN SMALL LETTER LONG S}\N{KELVIN SIGN}i", "Ski"]),
        (r"^ski$", ["\N{LATIN SMALL LETTER LONG S}\N{KELVIN SIGN}i", "Ski"]),
    ],
)
def test_names_are_found_whatever_their_case_and_signs(
    ann: Door, pattern: str, names: list[str]
) -> None:
    title = f"signs of {sha256(pattern.encode()).hexdigest()}"
    project = ann.call("projects.create", name=title, description="")["id"]
    every = {*names, "ModelxB 50", "skate"}
    for name in every:
        ann.task(name, project=project, tags=['a "tag" of %'])
    query = {"project": [project], "name": pattern, "tags": ['a "tag" of %']}

    found = ann.call("tasks.get_all", **query)["tasks"]

    assert {one["name"] for one in found} == set(names)
