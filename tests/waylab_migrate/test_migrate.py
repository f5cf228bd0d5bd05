"""Two real servers side by side, one of them strict; killed in the middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.served import OWN_SERVER, any_server
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.sdk import Sdk

from waylab_tracking.testing import Server, running_server

pytestmark = pytest.mark.clearml
PROGRAM = "from waylab_clearml.cli import main; main()"
CONTENT = """
    import numpy as np
    from clearml import Dataset, OutputModel, Task
    task = Task.init("group/one", "the run", auto_connect_frameworks=False)
    task.connect({"rate": 0.5, "reads": "nothing"})
    log = task.get_logger()
    for i in range(1200):
        log.report_scalar("loss", "train", 1.0 / (i + 1), i)
    log.report_single_value("best", 0.25)
    log.report_text("a line of the log")
    log.report_histogram("bars", "all", iteration=1, values=[1, 2, 3])
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    log.report_image("pictures", "black", iteration=2, image=picture)
    task.upload_artifact("table", {"rows": [1, 2]}, wait_on_upload=True)
    model = OutputModel(task, name="the model", framework="ScikitLearn")
    open("weights.bin", "wb").write(b"weights" * 1000)
    model.update_weights("weights.bin", auto_delete_file=False)
    model.wait_for_uploads()
    task.close()
    open("a.txt", "w").write("alpha")
    first = Dataset.create(dataset_name="data", dataset_project="group")
    first.add_files("a.txt")
    first.finalize(auto_upload=True)
    open("b.txt", "w").write("beta")
    second = Dataset.create(
        dataset_name="data", dataset_project="group", parent_datasets=[first.id]
    )
    second.add_files("b.txt")
    second.finalize(auto_upload=True)
    Task.create(project_name="group/two", task_name="a draft")
    result = {"task": task.id, "dataset": second.id}
"""
READ = """
    from pathlib import Path
    from clearml import Dataset, Task
    [task] = Task.get_tasks(project_name="group/one", task_name="the run")
    folder = Path(Dataset.get(dataset_project="group", dataset_name="data")
        .get_local_copy())
    result = {
        "status": task.get_status(),
        "points": len(task.get_all_reported_scalars()["loss"]["train"]["x"]),
        "single": task.get_reported_single_value("best"),
        "artifact": task.artifacts["table"].get(),
        "rate": task.get_parameter("General/rate"),
        "weights": len(Path(task.models["output"][0].get_weights()).read_bytes()),
        "files": {one.name: one.read_text() for one in sorted(folder.glob("*.txt"))},
    }
"""
SEEN = {
    "status": "completed",
    "points": 1200,
    "single": 0.25,
    "artifact": {"rows": [1, 2]},
    "rate": "0.5",
    "weights": 7000,
    "files": {"a.txt": "alpha", "b.txt": "beta"},
}


@dataclass(frozen=True)
class Side:
    server: Server
    keys: tuple[str, str]

    def sdk(self, home: Path) -> Sdk:
        home.mkdir()
        return Sdk(self.server, home, self.keys)


@dataclass(frozen=True)
class Move:
    source: Side
    target: Side
    journal: Path

    def start(self, *options: str) -> subprocess.Popen[str]:
        environ = {
            **os.environ,
            "WAYLAB_FROM_ACCESS_KEY": self.source.keys[0],
            "WAYLAB_FROM_SECRET_KEY": self.source.keys[1],
            "WAYLAB_TO_ACCESS_KEY": self.target.keys[0],
            "WAYLAB_TO_SECRET_KEY": self.target.keys[1],
        }
        source, target = self.source.server, self.target.server
        servers = ["--from", source.url, "--to", target.url]
        servers += ["--from-files", source.files_url, "--to-files", target.files_url]
        command = [sys.executable, "-c", PROGRAM, "migrate", *servers]
        return subprocess.Popen(
            [*command, "--journal", str(self.journal), *options],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str) -> tuple[int, str]:
        with self.start(*options) as process:
            out, error = process.communicate(timeout=120)
        return process.returncode, out + error

    def kill_after(self, lines: int) -> None:
        """Kill it with -9 when it has told so many lines of progress."""
        with self.start() as process:
            assert process.stderr is not None
            for _ in range(lines):
                assert process.stderr.readline()
            process.kill()


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Side]]:
    with ExitStack() as stack:
        found = {}
        for name in ("ours", "strict", "back"):
            state = tmp_path_factory.mktemp(name)
            if name == "strict":
                running = any_server(state, strict=True)
            else:
                running = running_server(state)
            server = stack.enter_context(running)
            found[name] = Side(server, server.create_user("mover", "admin"))
        if names(found["strict"]):
            pytest.skip("the given server is not empty: all of it would be copied")
        yield found


def names(side: Side) -> list[str]:
    door = Door(side.server, side.keys)
    tasks = door.call("tasks.get_all", search_hidden=True)["tasks"]
    models = door.call("models.get_all")["models"]
    door.close()
    return sorted(one["name"] for one in [*tasks, *models])


@pytest.mark.timeout(300)
def test_a_migration_killed_in_the_middle_goes_on_without_doubles_both_ways(
    sides: dict[str, Side], tmp_path: Path
) -> None:
    ours, strict, back = sides["ours"], sides["strict"], sides["back"]
    made = ours.sdk(tmp_path / "writer").run(CONTENT)
    there = Move(ours, strict, tmp_path / "there.jsonl")
    code, told = there.run("--dry-run")
    assert (code, json.loads(told)["tasks"]) == (0, 4)
    assert names(strict) == []
    for lines in (1, 4, 6, 8):
        there.kill_after(lines)
    code, told = there.run("--json")
    assert code == 0, told
    assert json.loads(told)["differences"] == []
    assert names(strict) == names(ours)
    assert strict.sdk(tmp_path / "reader").run(READ) == SEEN

    home = Move(strict, back, tmp_path / "back.jsonl")
    home.kill_after(5)
    code, told = home.run("--json")
    assert code == 0, told
    assert names(back) == names(ours)
    assert back.sdk(tmp_path / "last").run(READ) == SEEN
    # Run again, even without its journal, it copies nothing twice.
    home.journal.unlink()
    code, told = home.run("--json")
    assert code == 0, told
    assert names(back) == names(ours)

    door = Door(strict.server, strict.keys)
    [copy] = door.call("tasks.get_all", system_tags=[f"migrated:{made['task']}"])[
        "tasks"
    ]
    door.call("tasks.edit", task=copy["id"], force=True, tags=["changed"])
    door.close()
    code, told = there.run("--json")
    assert (code, "differs in tags" in told) == (1, True)


def test_what_cannot_be_done_is_said_in_one_sentence(
    sides: dict[str, Side], tmp_path: Path
) -> None:
    ours, strict = sides["ours"], sides["strict"]
    wrong = Side(strict.server, (strict.keys[0], "wrong"))
    code, told = Move(ours, wrong, tmp_path / "a").run()
    assert (code, "invalid credentials" in told, told.count("\n")) == (1, True, 1)
    code, told = Move(ours, ours, tmp_path / "b").run()
    assert (code, "both the source and the target" in told) == (1, True)
    (tmp_path / "c").write_text('["route", "", ["x", "y"]]\n')
    code, told = Move(ours, strict, tmp_path / "c").run()
    assert (code, "another migration, x -> y" in told) == (1, True)


@OWN_SERVER
def test_a_strict_server_knows_nothing_of_our_extensions(
    sides: dict[str, Side],
) -> None:
    door = Door(sides["strict"].server, sides["strict"].keys)
    assert door.refused("waylab.ensure_user", name="eve") == (400, 0)
    assert door.refused("workers.get_runtime_properties", worker="w") == (400, 0)
    answer = door.http.post(
        "/users.get_current_user",
        headers={**door.headers, "X-Clearml-Impersonate-As": "eve"},
    )
    assert answer.status_code == 400
    assert door.call("users.get_current_user")["user"]["name"] == "mover"
    door.close()
