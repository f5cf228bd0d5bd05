"""Who sees which project, and what is in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waylab_tracking.door import Door, Enter

from waylab_tracking.testing import Server, running_server


@pytest.fixture
def project(ann: Door) -> Iterator[str]:
    """Give a project that only ann sees."""
    made = ann.call("projects.create", name="secret plans", description="")["id"]
    ann.call("waylab.share_project", project=made, visibility="private")
    yield made
    ann.call("projects.update", project=made, name=f"old plans {made}")


def share(door: Door, project: str, visibility: str, **members: Any) -> Any:
    body = {"project": project, "visibility": visibility, **members}
    return door.call("waylab.share_project", **body)["project"]


def listed(door: Door, **body: Any) -> list[str]:
    return [one["id"] for one in door.call("tasks.get_all", **body)["tasks"]]


def test_a_new_project_is_everybodys(ann: Door, bob: Door) -> None:
    made = ann.call("projects.create", name="open plans", description="")["id"]

    told = bob.call("waylab.get_sharing", projects=[made])["projects"]

    assert told == [
        {
            "id": made,
            "name": "open plans",
            "owner": "ann",
            "visibility": "public",
            "own": "inherit",
            "inherited_from": None,
            "users": [],
            "groups": [],
            "may_change": False,
        }
    ]


def test_members_come_and_go(ann: Door, bob: Door, project: str) -> None:
    task = ann.task(project=project)

    before = bob.refused("tasks.get_by_id", task=task)
    told = share(ann, project, "private", users=["bob"])
    within = bob.call("tasks.get_by_id", task=task)["task"]["id"]
    own = bob.task("bob's in ann's", project=project)
    share(ann, project, "private")
    after = bob.refused("tasks.get_by_id", task=task)

    assert told["users"] == ["ann", "bob"]
    assert (before, within, after) == ((400, 101), task, (400, 101))
    # What one has made stays one's own.
    assert bob.call("tasks.get_by_id", task=own)["task"]["id"] == own


def test_groups_are_as_the_hub_says(
    server: Server, ann: Door, enter: Enter, project: str
) -> None:
    cara = enter("cara")

    def groups(*names: str) -> None:
        server.call("waylab.ensure_user", {"name": "cara", "groups": list(names)})

    groups("vision", "nlp")
    share(ann, project, "group", groups=["vision"])
    within = cara.call("projects.get_by_id", project=project)["project"]["id"]
    groups("nlp")
    after = cara.refused("projects.get_by_id", project=project)
    server.call("waylab.ensure_user", {"name": "cara"})
    groups("vision")
    again = cara.call("projects.get_by_id", project=project)["project"]["id"]

    assert (within, after, again) == (project, (400, 401), project)


def test_what_is_below_is_seen_as_what_is_above(
    ann: Door, bob: Door, project: str
) -> None:
    below = ann.call("projects.create", name="secret plans/a/b", description="")["id"]
    task = ann.task(project=below)

    hidden = bob.refused("tasks.get_by_id", task=task)
    told = ann.call("waylab.get_sharing", projects=[below])["projects"][0]
    share(ann, below, "public")
    shown = bob.call("tasks.get_by_id", task=task)["task"]["id"]
    share(ann, below, "inherit")
    again = bob.refused("tasks.get_by_id", task=task)

    assert (hidden, shown, again) == ((400, 101), task, (400, 101))
    assert (told["visibility"], told["inherited_from"]) == ("private", "secret plans")


def test_a_project_that_moves_is_seen_as_what_it_moves_below(
    ann: Door, bob: Door, project: str
) -> None:
    moved = ann.call("projects.create", name="wandering", description="")["id"]
    task = ann.task(project=moved)

    ann.call("projects.move", project=moved, new_location="secret plans")
    hidden = bob.refused("tasks.get_by_id", task=task)
    ann.call("projects.move", project=moved, new_location="")
    shown = bob.call("tasks.get_by_id", task=task)["task"]["id"]

    assert (hidden, shown) == ((400, 101), task)


def test_a_task_that_was_made_public_is_seen_in_a_private_project(
    ann: Door, bob: Door, project: str
) -> None:
    ann.call("projects.make_public", ids=[project])
    shown = bob.call("projects.get_by_id", project=project)["project"]["id"]
    ann.call("projects.make_private", ids=[project])

    assert shown == project
    assert bob.refused("projects.get_by_id", project=project) == (400, 401)


def test_pages_of_lists_are_full_whatever_is_hidden(
    ann: Door, bob: Door, project: str
) -> None:
    shown = []
    for number in range(12):
        ann.task(f"paged {number}", project=project)
        shown.append(ann.task(f"paged {number}", tags=["paged"]))
    asked = {"name": "paged", "order_by": ["created"], "page_size": 5}

    pages = [listed(bob, **asked, page=page) for page in range(4)]

    assert pages == [shown[:5], shown[5:10], shown[10:], []]
    assert len(listed(ann, name="paged")) == 24


def test_a_line_has_its_length_whoever_looks(
    ann: Door, bob: Door, project: str
) -> None:
    first, second = ann.task(project=project), bob.task()
    ann.call("tasks.enqueue", task=first)
    bob.call("tasks.enqueue", task=second)
    queue = bob.call("queues.get_default")["id"]

    line = bob.call("queues.get_by_id", queue=queue)["queue"]["entries"]
    for door, task in ((ann, first), (bob, second)):
        door.call("tasks.dequeue", task=task)

    assert [one["task"] for one in line] == ["", second]


def test_nobody_else_puts_anything_into_a_project_that_they_do_not_see(
    ann: Door, bob: Door, project: str
) -> None:
    mine = bob.task()

    refused = [
        bob.refused("tasks.create", name="a task", project=project),
        bob.refused("tasks.move", ids=[mine], project=project),
        bob.refused("tasks.move", ids=[mine], project_name="secret plans"),
        bob.refused("projects.create", name="secret plans/mine", description=""),
        bob.refused("models.create", name="a model", uri="x", project=project),
    ]

    assert refused == [(400, 401), (400, 401), (403, 0), (403, 0), (400, 401)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"visibility": "private", "users": ["nobody here"]}, "nobody here"),
        ({"visibility": "group", "groups": ["no such"]}, "no such"),
        ({"visibility": "group"}, "groups"),
        ({"visibility": "public", "users": ["bob"]}, "no members"),
        ({"visibility": "everybody"}, "visibility"),
        ({}, "visibility"),
    ],
)
def test_a_wrong_share_is_refused_with_what_is_wrong(
    ann: Door, bob: Door, project: str, body: dict[str, Any], says: str
) -> None:
    assert bob.call("users.get_current_user")["user"]["name"] == "bob"

    answer = ann.post("waylab.share_project", project=project, **body)

    meta = answer.json()["meta"]
    assert (meta["result_code"], meta["result_subcode"]) == (400, 800)
    assert says in meta["result_msg"]


def test_only_who_owns_what_is_above_shows_what_is_below(
    ann: Door, bob: Door, project: str
) -> None:
    share(ann, project, "private", users=["bob"])
    below = bob.call("projects.create", name="secret plans/bob", description="")["id"]

    refused = bob.refused("waylab.share_project", project=below, visibility="public")

    assert refused == (403, 0)


def test_files_are_read_by_who_sees_their_project(
    ann: Door, bob: Door, project: str
) -> None:
    task = ann.task(project=project)
    paths = [f"anywhere/run.{task}/a.txt", "secret plans/b.txt"]
    for path in paths:
        ann.upload(path).raise_for_status()

    hidden = [bob.get(f"/files/{path}").status_code for path in paths]
    written = bob.upload("secret plans/c.txt").status_code
    share(ann, project, "private", users=["bob"])
    shown = [bob.get(f"/files/{path}").status_code for path in paths]

    assert (hidden, written, shown) == ([404, 404], 403, [200, 200])


def test_the_project_tells_what_a_form_has_to_know(
    ann: Door, bob: Door, project: str
) -> None:
    share(ann, project, "private", users=["bob"])
    below = ann.call("projects.create", name="secret plans/a", description="")["id"]

    told = [
        door.call("waylab.get_sharing", projects=[project, below])
        for door in (ann, bob)
    ]

    rows = [[(p["own"], p["may_change"]) for p in one["projects"]] for one in told]
    assert rows == [
        [("private", True), ("inherit", True)],
        [("private", False), ("inherit", False)],
    ]
    assert {"ann", "bob"} <= set(told[0]["known_users"])
    assert "system" not in told[0]["known_users"]


def test_groups_of_the_settings_are_there_at_once_and_rule_alone(
    tmp_path: Path,
) -> None:
    def read(groups: dict[str, list[str]], role: str) -> tuple[list[str], bool]:
        with running_server(tmp_path / "s", groups=json.dumps(groups)) as server:
            ann = Door(server, server.create_user("ann"))
            bob = Door(server, server.create_user("bob", role))
            [made] = [
                one["id"] for one in ann.call("projects.get_all")["projects"]
            ] or [ann.call("projects.create", name="plans", description="")["id"]]
            if "nlp" in groups:
                share(ann, made, "group", groups=["nlp"])
            known = bob.call("waylab.get_sharing")
            ann.close()
            bob.close()
        return known["known_groups"], bool(known["projects"])

    first = read({"nlp": ["zoe"], "vision": ["bob"]}, "user")
    second = read({"nlp": ["bob"]}, "user")
    third = read({"vision": ["bob"]}, "user")

    assert first == (["nlp", "vision"], False)
    assert second == (["nlp"], True)
    assert third == (["vision"], False)


def test_an_open_server_keeps_to_what_was_set(tmp_path: Path) -> None:
    with running_server(tmp_path / "s") as server:
        ann = Door(server, server.create_user("ann"))
        bob_keys = server.create_user("bob")
        made = ann.call("projects.create", name="secret plans", description="")["id"]
        share(ann, made, "private")
        ann_token = ann.token
        ann.close()
    with running_server(tmp_path / "s", strict="true") as server:
        bob, ann = Door(server, bob_keys), Door(server, ("", ""), ann_token)
        hidden = bob.refused("projects.get_by_id", project=made)
        refused = ann.refused("waylab.share_project", project=made, visibility="public")
        for door in (ann, bob):
            door.close()

    assert (hidden, refused) == ((400, 401), (400, 0))


def test_an_older_database_keeps_everything_open_and_its_agents_at_work(
    tmp_path: Path,
) -> None:
    state = tmp_path / "s"
    with running_server(state) as server:
        ann = Door(server, server.create_user("ann"))
        agent_keys = server.create_user("agent-n1", role="agent")
        bob_keys = server.create_user("bob")
        agent = Door(server, agent_keys)
        project = ann.call("projects.create", name="old plans", description="")["id"]
        task = ann.task(project=project)
        queue = ann.call("queues.get_default")["id"]
        ann.call("tasks.enqueue", task=task, queue=queue)
        agent.call("queues.remove_task", queue=queue, task=task)
        agent.call("tasks.started", task=task)
        agent.call("workers.status_report", worker="n1:gpu0", task=task)
        for door in (ann, agent):
            door.close()
    _downgrade(state / "tracking.sqlite")
    with running_server(state) as server:
        bob, agent = Door(server, bob_keys), Door(server, agent_keys)
        seen = bob.call("tasks.get_by_id", task=task)["task"]["project"]
        ended = agent.call("tasks.completed", task=task)["updated"]
        for door in (bob, agent):
            door.close()

    assert (seen, ended) == (project, 1)


def _downgrade(path: Path) -> None:
    """Make the database one of before there were members and claims."""
    with sqlite3.connect(path) as database:
        for statement in (
            "DROP TABLE listed",
            "DROP TABLE labels",
            "DROP TABLE executions",
            "DROP TABLE fences",
            "DROP TABLE enqueue_keys",
            "DROP INDEX ix_projects_scope",
            "DROP INDEX ix_files_user",
            "ALTER TABLE projects DROP COLUMN visibility",
            "ALTER TABLE projects DROP COLUMN scope",
            "DROP TABLE shares",
            "DROP TABLE memberships",
            "DROP TABLE claims",
            "UPDATE alembic_version SET version_num = '0005'",
        ):
            database.execute(statement)
        heads = database.execute("SELECT id, head FROM tasks").fetchall()
        for task, head in heads:
            old = json.loads(head)
            del old["company"]
            row = (json.dumps(old), task)
            database.execute("UPDATE tasks SET head = ? WHERE id = ?", row)
    database.close()
