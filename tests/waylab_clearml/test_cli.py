"""The command line: quick, honest, and readable by programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.served import SEVERAL_USERS

from waylab_clearml.client import Client
from waylab_clearml.environment import sdk_environment
from waylab_clearml.options import WISHES
from waylab_clearml.submit import Submission, submit
from waylab_tracking.testing import Server

pytestmark = pytest.mark.clearml
MAIN = "from waylab_clearml.cli import main; main()"


def waylab(
    *arguments: str, environment: dict[str, str], code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


@pytest.fixture
def lab(ann: Client, tmp_path: Path) -> dict[str, str]:
    return {**sdk_environment(ann.credentials), "HOME": str(tmp_path)}


@pytest.fixture
def home(server: Server, ann: Client, tmp_path: Path) -> dict[str, str]:
    """The environment of the hub's machine: a state folder, no variables."""
    secrets = tmp_path / "waylab" / "secrets"
    secrets.mkdir(parents=True)
    access, secret = server.system
    (secrets / "tracking-system.json").write_text(
        json.dumps({"access_key": access, "secret_key": secret})
    )
    (secrets / "operator.json").write_text(
        json.dumps(
            {
                "api_url": server.url,
                "web_url": server.web_url,
                "files_url": server.files_url,
                "access_key": ann.credentials.access_key,
                "secret_key": ann.credentials.secret_key,
                "user": "ann",
            }
        )
    )
    return {"WAYLAB_HOME": str(tmp_path / "waylab"), "HOME": str(tmp_path)}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["runs"],
        ["runs", "list"],
        ["runs", "show"],
        ["runs", "log"],
        ["runs", "abort"],
        ["runs", "open"],
        ["runs", "rerun"],
        ["queues"],
        ["credentials"],
    ],
)
def test_every_verb_explains_itself(arguments: list[str]) -> None:
    done = waylab(*arguments, "--help", environment={})
    assert "Usage:" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom waylab_clearml.cli import main\n"
        "sys.argv = ['waylab', 'runs', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'clearml', 'nbformat', 'papermill', 'jupyterhub', 'sqlalchemy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_credentials_it_says_where_it_looked(tmp_path: Path) -> None:
    done = waylab(
        "queues", environment={"WAYLAB_HOME": str(tmp_path), "HOME": "/"}, code=1
    )
    assert "CLEARML_API_HOST is not set" in done.stderr
    assert str(tmp_path / "secrets" / "operator.json") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "show", "0" * 32],
        ["runs", "list", "--user", "nobody-known"],
        ["run", "not-there.ipynb"],
        ["run", "not-there.ipynb", "-p", "no-equals-sign"],
        ["queues"],
    ],
)
def test_an_error_is_json_where_json_is_asked_for(
    home: dict[str, str], lab: dict[str, str], arguments: list[str]
) -> None:
    there = {**lab, "CLEARML_API_HOST": ""} if arguments == ["queues"] else lab
    done = waylab(*arguments, "--json", environment=there, code=1)
    (error,) = json.loads(done.stdout).values()
    assert done.stderr == f"waylab: {error}\n"
    assert "error" in json.loads(done.stdout)


def test_a_submitted_run_can_be_listed_shown_and_aborted(
    lab: dict[str, str], notebook: Path
) -> None:
    submitted = json.loads(
        waylab(
            "run",
            str(notebook),
            "--queue",
            "vision",
            "-p",
            "alpha=0.25",
            "--project",
            "From the CLI",
            "--name",
            "by hand",
            "--json",
            environment=lab,
        ).stdout
    )
    run_id = submitted["task_id"]
    listed = json.loads(waylab("runs", "list", "--json", environment=lab).stdout)
    assert run_id in {run["id"] for run in listed["runs"]}
    table = waylab("runs", "list", "--text", "by hand", environment=lab).stdout
    assert "by hand" in table
    assert run_id[:8] in table
    shown = waylab("runs", "show", run_id[:8], environment=lab).stdout
    assert "Parameter Notebook/alpha = 0.25" in shown
    assert "place 1" in shown
    waylab("runs", "abort", "last", environment=lab)
    after = json.loads(waylab("runs", "show", run_id, "--json", environment=lab).stdout)
    assert (after["state"], after["reason"]) == ("aborted", "aborted")


def test_a_repeat_asks_for_the_same_gpus_or_for_others(
    lab: dict[str, str], ann: Client, notebook: Path
) -> None:
    def asked(*arguments: str) -> dict[str, str]:
        done = waylab(*arguments, "--json", environment=lab)
        run_id = json.loads(done.stdout)["task_id"]
        task = ann.call("tasks.get_by_id", {"task": run_id})["task"]
        options = task["hyperparams"]["Waylab"]
        return {name: options[name]["value"] for name in options.keys() & set(WISHES)}

    first = ("run", str(notebook), "--queue", "vision")
    assert asked(*first, "--gpus", "2", "--node", "n1") == {"gpus": "2", "node": "n1"}
    again = ("runs", "rerun", "last")
    assert asked(*again) == {"gpus": "2", "node": "n1"}
    other = ("--gpu-model", "A100", "--gpu-min-memory", "40")
    wished = {"gpu_model": "A100", "gpu_min_memory_gib": "40"}
    assert asked(*again, *other) == wished
    assert asked(*again, "--mig-profile", "1g.10gb") == {"mig_profile": "1g.10gb"}
    assert asked(*again, "--node", "") == {}
    refused = waylab(*again, "--gpus", "-1", environment=lab, code=1)
    assert "The number of GPUs is -1" in refused.stderr


def test_queues_are_a_table(lab: dict[str, str]) -> None:
    lines = waylab("queues", environment=lab).stdout.splitlines()
    assert lines[0].split() == ["QUEUE", "WAITING", "SLOTS", "FREE", "GPUS", "FREE"]
    assert lines[-1].split()[0] == "services"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "nope.ipynb"], "Cannot read the notebook"),
        (["run", "NOTEBOOK", "--queue", "vison"], "There is no queue 'vison'"),
        (["run", "NOTEBOOK", "-p", "alpha=x"], "alpha is 'x'"),
        (["run", "NOTEBOOK", "-p", "alpha"], "not of the form name=value"),
        (["run", "NOTEBOOK", "--file", "/etc/hosts"], "lies outside of"),
        (["runs", "show", "ffff0000"], "No run begins with 'ffff0000'"),
    ],
)
def test_bad_input_is_one_sentence(
    lab: dict[str, str], notebook: Path, arguments: list[str], told: str
) -> None:
    given = [str(notebook) if one == "NOTEBOOK" else one for one in arguments]
    done = waylab(*given, environment=lab, code=1)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unserved_queue_is_pointed_out(lab: dict[str, str], notebook: Path) -> None:
    done = waylab("run", str(notebook), "--queue", "nlp", environment=lab)
    assert "No agent serves queue nlp now" in done.stderr


def test_on_the_hubs_machine_the_first_admins_file_is_used(
    home: dict[str, str], ann: Client, notebook: Path
) -> None:
    run_id = submit(ann, Submission(notebook, "default")).task_id
    shown = json.loads(
        waylab("runs", "show", "last", "--json", environment=home).stdout
    )
    assert shown["id"] == run_id


@SEVERAL_USERS
def test_another_user_is_acted_for(
    home: dict[str, str], bob: Client, notebook: Path
) -> None:
    run_id = submit(bob, Submission(notebook, "default", name="of bob")).task_id
    done = waylab("runs", "show", "last", "--json", "--user", "bob", environment=home)
    assert json.loads(done.stdout)["id"] == run_id


@SEVERAL_USERS
def test_credentials_are_an_environment_that_works(home: dict[str, str]) -> None:
    lines = waylab("credentials", environment=home).stdout.splitlines()
    assert all(line.startswith("export CLEARML_") for line in lines)
    bobs = json.loads(
        waylab("credentials", "--user", "bob", "--json", environment=home).stdout
    )
    listed = waylab("runs", "list", "--json", environment={**bobs, "HOME": "/"})
    assert all(run["owner"] == "bob" for run in json.loads(listed.stdout)["runs"])


def test_a_log_is_printed(lab: dict[str, str], ann: Client, notebook: Path) -> None:
    run_id = submit(ann, Submission(notebook, "default")).task_id
    for number in range(3):
        event = {
            "type": "log",
            "task": run_id,
            "timestamp": 1000 + number,
            "msg": f"l{number}",
        }
        ann.call("events.add", event)
    assert waylab("runs", "log", run_id, environment=lab).stdout == "l0\nl1\nl2\n"


@SEVERAL_USERS
def test_projects_are_shared_and_listed_by_name(
    server: Server, lab: dict[str, str]
) -> None:
    server.create_user("bob")
    made = {"name": "quiet plans", "description": ""}
    server.call("projects.create", made, user="ann")

    shared = waylab(
        *("projects", "share", "quiet plans", "--visibility", "private"),
        *("--with", "bob", "--json"),
        environment=lab,
    )
    listed = waylab("projects", "list", environment=lab).stdout
    unknown = waylab(
        *("projects", "share", "no such plans", "--visibility", "public"),
        environment=lab,
        code=1,
    )

    told = json.loads(shared.stdout)
    line = next(one for one in listed.splitlines() if one.startswith("quiet plans"))
    assert (told["visibility"], told["users"]) == ("private", ["ann", "bob"])
    assert line.split() == ["quiet", "plans", "ann", "ann,", "bob", "-"]
    assert "no such plans" in unknown.stderr
