"""Pipelines from tasks, functions and decorators, by way of queues."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.sdk import Sdk
from tests.waylab_tracking.test_sdk_queues import stock_agent

from waylab_tracking.testing import Server

pytestmark = pytest.mark.clearml
SitDown = Callable[[str], Sdk]

DECORATED = """
import json, os, pathlib
from clearml import PipelineDecorator, Task

@PipelineDecorator.component(return_values=["number"])
def one(start):
    return start + 1

@PipelineDecorator.component(return_values=["total"], parents=["one"])
def two(number, factor=10):
    print("two got", number)
    return number * factor

@PipelineDecorator.pipeline(
    name="decorated", project="pipes", version="0.1", default_queue="default",
    pipeline_execution_queue="services", pool_frequency=0.01, return_value="answer",
    add_pipeline_tags=True)
def pipeline(start=1):
    total = two(one(start))
    return int(total) + 1

if "RESULT" in os.environ:  # Not by an agent.
    pathlib.Path(os.environ["RESULT"]).write_text("null")
pipeline(start=3)
raise SystemExit
"""


@pytest.fixture(scope="module")
def _agents(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Serve the controllers' queue and the steps' queue, with an agent each."""
    with ExitStack() as agents:
        for queue in ("services", "default"):
            home = tmp_path_factory.mktemp("agents") / queue
            agents.enter_context(stock_agent(server, home, queue))
        yield


@pytest.mark.timeout(200)
@pytest.mark.usefixtures("_agents")
def test_a_decorated_pipeline_runs_in_the_services_queue(
    sdk: SitDown, ann: Door
) -> None:
    pat = sdk("pat")
    pat.run(DECORATED)
    [controller] = ann.call("tasks.get_all", name="^decorated", search_hidden=True)[
        "tasks"
    ]
    end = _end(ann, controller["id"])
    answer = pat.run(
        f"""
        from clearml import Task
        controller = Task.get_task(task_id={controller["id"]!r})
        steps = Task.query_tasks(task_filter=dict(
            parent=controller.id, search_hidden=True, order_by=["created"],
            _allow_extra_fields_=True))
        steps = [Task.get_task(task_id=one) for one in steps]
        result = dict(
            answer=controller.artifacts["answer"].get(),
            start=controller.get_parameter("Args/start"),
            steps=[(one.name, one.get_status()) for one in steps],
            said="two got 4" in "".join(steps[-1].get_reported_console_output(20)),
            project=controller.get_project_name(),
        )
        """
    )

    assert end == "completed", _console(ann, controller["id"])
    assert answer == {
        "answer": 41,
        "start": "3",
        "steps": [["one", "completed"], ["two", "completed"]],
        "said": True,
        "project": "pipes/.pipelines/decorated",
    }


@pytest.mark.timeout(200)
@pytest.mark.usefixtures("_agents")
def test_a_pipeline_mixes_tasks_and_functions_and_takes_steps_from_the_cache(
    sdk: SitDown,
) -> None:
    result = sdk("pit").run(
        """
        from clearml import PipelineController, Task
        base = Task.create("pipes", "base step", task_type="data_processing")
        base.update_task({"script": {
            "binary": "python3", "repository": "", "entry_point": "work.py",
            "working_dir": ".", "requirements": {}, "diff":
            "from clearml import Task\\n"
            "task = Task.init()\\n"
            "x = int(task.get_parameter('Args/x'))\\n"
            "task.upload_artifact('square', x * x, wait_on_upload=True)\\n"}})
        base.set_parameters({"Args/x": 1})
        def add(square: int, more: int = 1):
            return int(square) + int(more)
        pipe = PipelineController(name="mixed", project="pipes", version="1.0.0",
                                  pool_frequency=0.01)
        pipe.add_parameter("x", 4)
        pipe.set_default_execution_queue("default")
        for name, parents in (("first", []), ("again", ["first"])):
            pipe.add_step(name, parents=parents, base_task_project="pipes",
                          base_task_name="base step", cache_executed_step=True,
                          parameter_override={"Args/x": "${pipeline.x}"})
        pipe.add_function_step("sum", add, parents=["again"], function_return=["total"],
                               function_kwargs=dict(square="${pipeline.x}", more=2))
        pipe.start_locally(run_pipeline_steps_locally=False)
        nodes = pipe.get_pipeline_dag()
        first = Task.get_task(task_id=nodes["first"].executed)
        found = PipelineController.get(pipeline_id=pipe.id)
        result = dict(
            states={name: node.status for name, node in nodes.items()},
            square=first.artifacts["square"].get(),
            total=Task.get_task(task_id=nodes["sum"].executed
                                ).get_parameter("return/total"),
            cached=nodes["again"].executed == first.id, found=found.id == pipe.id,
            plots=sorted({one["metric"] for one in pipe.task.get_reported_plots()}),
        )
        """,
        seconds=150,
    )

    assert "Pipeline Details" in result.pop("plots")
    assert result == {
        "states": {"first": "completed", "again": "cached", "sum": "completed"},
        "square": 16,
        "total": "6",
        "cached": True,
        "found": True,
    }


def _end(door: Door, task: str) -> str:
    deadline = time.monotonic() + 120
    status = ""
    while time.monotonic() < deadline:
        status = door.call("tasks.get_by_id", task=task)["task"]["status"]
        if status in ("completed", "failed", "stopped"):
            break
        time.sleep(0.2)
    return str(status)


def _console(door: Door, task: str) -> str:
    events = door.call("events.get_task_log", task=task, order="asc")["events"]
    return "".join(event["msg"] for event in events)
