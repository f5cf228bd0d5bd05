"""Any ClearML task runs in a container: made by the official tools, run by ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waylab_agent.docker_rig import BARE, LAB, DockerRig
from tests.waylab_agent.test_controllers import CHILD, CONTROLLER

from waylab_clearml.environment import sdk_environment

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(600),
    # docker's SDK leaves some of its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
REQUIREMENTS = "six\nclearml>=2.0\n"
SCRIPT = "import six, clearml\nprint('SIX', six.__name__, clearml.__name__)\n"
PIPELINE = """
from clearml import PipelineController, Task
pipeline = PipelineController(
    name="p", project="pipelines", version="1", pool_frequency=0.03)  # minutes
pipeline.add_step(name="one", base_task_id={base!r}, execution_queue={queue!r})
pipeline.add_step(
    name="two", base_task_id={base!r}, execution_queue={queue!r}, parents=["one"])
pipeline.start_locally(run_pipeline_steps_locally=False)
steps = pipeline.get_processed_nodes().values()
print("STEPS", [Task.get_task(step.executed).get_status() for step in steps])
"""


def test_clearml_task_with_a_script_and_its_requirements(
    docker: DockerRig, tmp_path: Path
) -> None:
    docker.start_agent()
    script, requirements = tmp_path / "main.py", tmp_path / "requirements.txt"
    script.write_text(SCRIPT)
    requirements.write_text(REQUIREMENTS)
    said = subprocess.run(
        [
            str(Path(sys.executable).with_name("clearml-task")),
            *("--project", "tasks", "--name", "a script"),
            *("--script", str(script), "--requirements", str(requirements)),
            *("--queue", docker.rig.queue, "--docker", LAB),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            **sdk_environment(docker.rig.user.credentials),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    task = said.stdout.partition("id=")[2].split()[0]
    assert docker.rig.end_of(task, 120)[0] == "completed"
    console = docker.rig.console(task)
    assert "SIX six clearml" in console
    assert "Not in this environment" not in console


WHEEL = """
import zipfile
info = "tiny-1.0.dist-info/"
with zipfile.ZipFile("/home/lab/tiny-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("tiny.py", "SIZE = 'tiny'")
    for name, lines in (
        ("METADATA", ["Metadata-Version: 2.1", "Name: tiny", "Version: 1.0"]),
        ("WHEEL", ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"]),
    ):
        wheel.writestr(info + name, chr(10).join(lines))
    wheel.writestr(info + "RECORD", "")
"""


def test_what_the_image_lacks_is_installed_for_the_task_alone(
    docker: DockerRig,
) -> None:
    docker.start_agent()
    wheel = docker.rig.enqueue(WHEEL, container={"image": BARE})
    assert docker.rig.end_of(wheel)[0] == "completed", docker.rig.console(wheel)
    task = docker.rig.create(
        "import tiny; print('GOT', tiny.SIZE)", container={"image": BARE}
    )
    wanted = {
        **docker.rig.task(task)["script"],
        "requirements": {"pip": "tiny @ file:///home/lab/tiny-1.0-py3-none-any.whl"},
    }
    docker.rig.user.call("tasks.edit", {"task": task, "script": wanted})
    body = {"task": task, "queue": docker.rig.queue_id(docker.rig.queue)}
    docker.rig.user.call("tasks.enqueue", body)
    end, console = docker.rig.end_of(task, 240), docker.rig.console(task)
    assert end == ("completed", "completed"), console
    assert "Not in this environment: tiny @" in console
    assert "GOT tiny" in console


def test_a_pipeline_s_steps_and_an_optimizer_s_children_run_in_containers(
    docker: DockerRig,
) -> None:
    docker.start_agent(SLOTS="2", SERVICES_SLOTS="1", GRACE_SECONDS="5")
    base = docker.rig.enqueue(CHILD, container={"image": LAB})
    assert docker.rig.end_of(base, 120)[0] == "completed"
    queue = docker.rig.queue
    for code, words in (
        (PIPELINE.format(base=base, queue=queue), "STEPS ['completed', 'completed']"),
        (CONTROLLER.format(base=base, queue=queue), "best is 2.0"),
    ):
        task = docker.rig.enqueue(code, "services", container={"image": LAB})
        assert docker.rig.end_of(task, 240)[0] == "completed", docker.rig.console(task)
        assert words in docker.rig.console(task)
