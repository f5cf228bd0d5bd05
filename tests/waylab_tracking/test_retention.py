"""What goes of old runs by the site's rules, and what never does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.waylab_tracking.door import Door

from waylab_tracking import file_rights
from waylab_tracking.database import Database, files
from waylab_tracking.files import FileServer
from waylab_tracking.identity import Identity
from waylab_tracking.keeper import Keeper
from waylab_tracking.settings import Retention
from waylab_tracking.stores import FolderStore
from waylab_tracking.testing import running_server

ALL = Retention(archived_days=30, logs_days=10, images_days=20)


@dataclass
class Site:
    """A server's state and what lies in it."""

    state: Path
    keys: tuple[str, str]
    runs: dict[str, str]
    told: Any

    def after(self, days: float, rules: Retention) -> int:
        """Go one round so many days from now; give of how many runs something went."""
        with self.opened() as (database, server):
            identity = Identity(self.state, self.state / "system.json")
            at = datetime.now(UTC) + timedelta(days=days)
            keeper = Keeper(database, server, identity, rules, clock=lambda: at)
            return asyncio.run(keeper.round())

    @contextmanager
    def opened(self) -> Iterator[tuple[Database, FileServer]]:
        database = Database(self.state / "tracking.sqlite")
        store = FolderStore(self.state / "files")
        yield database, FileServer(store, self.state / "incoming", database, 0)
        database.close()

    @contextmanager
    def door(self) -> Iterator[Door]:
        with running_server(self.state) as server:
            door = Door(server, self.keys)
            yield door
            door.close()

    def left(self) -> dict[str, list[str]]:
        """Give the names of the files of each run."""
        root = self.state / "files"
        return {
            name: sorted(
                path.name
                for path in root.rglob("*")
                if path.is_file() and task in str(path)
            )
            for name, task in self.runs.items()
        }


def stored(door: Door, task: str, name: str) -> str:
    """Store a file in a run's folder; give its link."""
    path = f"lab/run.{task}/{name}"
    door.upload(path, b"content").raise_for_status()
    return f"{door.url}/files/{path}"


def produce(door: Door, name: str, **fields: Any) -> str:
    """Give an ended run with lines, an image and its file, a plot, and an artifact."""
    task = door.task(name, **fields)
    link = stored(door, task, "image.png")
    image = {"type": "training_debug_image", "metric": "m", "variant": "v"}
    door.call("events.add", task=task, iter=1, url=link, **image)
    plot = {"type": "plot", "metric": "p", "variant": "v", "plot_str": "{}"}
    door.call("events.add", task=task, iter=1, **plot)
    for line in ("one", "two"):
        door.call("events.add", type="log", task=task, msg=line, timestamp=1)
    one = {"key": "result", "type": "custom", "mode": "output"}
    result = {**one, "uri": stored(door, task, "result.bin")}
    door.call("tasks.add_or_update_artifacts", task=task, artifacts=[result])
    return task


def modelled(door: Door, task: str) -> str:
    fields = {"name": "weights", "task": task, "uri": stored(door, task, "weights.bin")}
    model = str(door.call("models.create", **fields)["id"])
    named = {"name": "weights", "model": model, "type": "output"}
    door.call("tasks.add_or_update_model", task=task, **named)
    return model


def fill(door: Door) -> dict[str, str]:
    names = (
        *("old", "shown", "published", "data", "released", "used", "named", "report"),
        *("running", "queued", "step"),
    )
    made = {name: produce(door, name) for name in names if name != "data"}
    made["data"] = produce(door, "data", system_tags=["dataset"])
    modelled(door, made["old"])
    door.call("models.set_ready", model=modelled(door, made["released"]))
    taken = {"name": "w", "model": modelled(door, made["used"]), "type": "input"}
    door.call("tasks.add_or_update_model", task=made["shown"], **taken)
    uri = f"{door.url}/files/lab/run.{made['named']}/result.bin"
    again = {"key": "again", "type": "custom", "mode": "input", "uri": uri}
    door.call("tasks.add_or_update_artifacts", task=made["shown"], artifacts=[again])
    door.call("tasks.edit", task=made["report"], type="report")
    door.call("tasks.edit", task=made["step"], parent=made["running"])
    for name, task in made.items():
        if name != "queued":
            door.call("tasks.started", task=task)
        if name not in ("running", "queued"):
            door.call("tasks.stopped", task=task)
    door.call("tasks.publish", task=made["published"])
    [queue] = door.call("queues.get_all", name="default")["queues"] or [None]
    where = {"queue": queue["id"]} if queue else {"queue_name": "default"}
    door.call("tasks.enqueue", task=made["queued"], **where)
    door.call("tasks.archive", tasks=[one for n, one in made.items() if n != "shown"])
    return made


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give a site with runs of every kind."""
    state = tmp_path_factory.mktemp("state")
    with running_server(state) as server:
        keys = server.create_user("ann", "admin")
        door = Door(server, keys)
        runs = fill(door)
        told = door.call("waylab.get_expired", archived_days=1e-9, logs_days=1e-9)
        door.close()
    return Site(state, keys, runs, told)


EVERY = ["image.png", "result.bin"]


def test_nothing_goes_by_default_or_before_its_time(filled: Site) -> None:
    before = filled.left()

    assert filled.after(10_000, Retention()) == 0
    assert filled.after(9, ALL) == 0
    assert filled.left() == before


def test_what_would_go_is_told_with_what_keeps_it(filled: Site) -> None:
    runs = {one: name for name, one in filled.runs.items()}

    told = {
        (runs[one["task"]], one["part"]): one["kept_by"] for one in filled.told["runs"]
    }

    assert told == {
        ("old", "run"): None,
        ("named", "run"): None,
        ("released", "run"): "weights",
        ("released", "log"): None,
        ("used", "run"): "weights",
        ("used", "log"): None,
        ("shown", "log"): None,
    }
    assert filled.told["total"] == len({name for name, _ in told})
    sizes = {runs[one["task"]]: one["size_bytes"] for one in filled.told["runs"]}
    assert sizes["old"] == 3 * len(b"content")


def test_lines_and_images_go_first_and_whole_runs_when_archived(filled: Site) -> None:
    lines = filled.after(15, ALL)
    lined = filled.left()
    images = filled.after(25, ALL)
    drawn = filled.left()
    whole = filled.after(35, ALL)
    again = filled.after(36, ALL)
    with filled.opened() as (database, _):
        owned = database.do(
            lambda db: db.execute(sa.select(files.c.path)).scalars().all()
        )
    with filled.door() as door:
        ids = list(filled.runs.values())
        found = door.call("tasks.get_all", id=ids, only_fields=["id"])["tasks"]
        task = filled.runs["shown"]
        log = door.call("events.get_task_log", task=task)["events"]
        plots = door.call("events.get_task_plots", task=task)["plots"]
        running = door.call("events.get_task_log", task=filled.runs["running"])
        models = door.call("models.get_all", only_fields=["task"])["models"]

    # Those which a model keeps from going wholly are asked after each time.
    ended = {"shown", "old", "named", "released", "used"}
    assert (lines, images, whole, again) == (len(ended), len(ended), 2, 0)
    assert lined["shown"] == EVERY
    assert drawn["shown"] == ["result.bin"]
    assert filled.left() == {
        "old": [],
        "named": ["result.bin"],
        "shown": ["result.bin"],
        "released": ["result.bin", "weights.bin"],
        "used": ["result.bin", "weights.bin"],
        **dict.fromkeys(
            ("published", "data", "report", "running", "queued", "step"), EVERY
        ),
    }
    gone = {filled.runs["old"], filled.runs["named"]}
    assert {one["id"] for one in found} == set(ids) - gone
    assert sorted(owned) == sorted(
        str(path.relative_to(filled.state / "files"))
        for path in (filled.state / "files").rglob("*")
        if path.is_file()
    )
    assert [one["msg"] for one in log] == [
        "The console lines of this run were removed: the site keeps them for 10 days."
    ]
    assert len(plots) == 1
    assert running["total"] == 2
    assert {one["task"] for one in models} == {
        filled.runs["released"],
        filled.runs["used"],
    }


def test_files_that_a_crash_left_to_be_deleted_go_with_the_next_round(
    filled: Site,
) -> None:
    key = f"lab/run.{filled.runs['shown']}/result.bin"
    with filled.opened() as (database, _):
        database.do(lambda db: file_rights.abandon(db, [key]))

    filled.after(0, Retention())

    assert filled.left()["shown"] == []
