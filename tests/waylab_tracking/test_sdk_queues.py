"""Cloning, queues and controllers as the official SDK and agent use them."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.served import ensure_queues
from tests.waylab_tracking.sdk import Sdk

from waylab_tracking.testing import Server

pytestmark = pytest.mark.clearml
SitDown = Callable[[str], Sdk]


@contextmanager
def stock_agent(server: Server, home: Path, *queues: str) -> Iterator[None]:
    """Run the official agent as it comes, with an admin's keys."""
    home.mkdir()
    sdk = Sdk(server, home, server.create_user("stock-agent", "admin"))
    log = home / "agent.log"
    with log.open("wb") as output:
        agent = subprocess.Popen(
            [
                *(sys.executable, "-m", "clearml_agent", "daemon", "--foreground"),
                *("--cpu-only", "--queue", *queues),
            ],
            env=sdk.environment(
                CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL="1",
                CLEARML_AGENT_QUEUE_POLL_FREQ_SEC="0.5",
                # The official agent allows one of a name on a machine, whose tests
                # run beside one another.
                CLEARML_WORKER_ID=f"stock-{secrets.token_hex(4)}:{queues[0]}",
            ),
            cwd=home,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield
    finally:
        agent.terminate()
        agent.wait(20)


def test_a_clone_with_edited_parameters_waits_in_its_queue(
    server: Server, sdk: SitDown
) -> None:
    ensure_queues(server, "vision")

    result = sdk("ann").run(
        """
        from clearml import Task
        task = Task.create("queues", "template", script="script.py",
                           add_task_init_call=False, docker="python:3.11")
        task.set_parameters({"Args/lr": 0.1, "Args/n": 3})
        clone = Task.clone(task, name="clone", parent=task.id)
        clone.set_parameter("Args/lr", 0.2)
        Task.enqueue(clone, queue_name="vision")
        queued = clone.get_status()
        place = Task.get_task(task_id=clone.id).get_executed_queue(return_name=True)
        Task.dequeue(clone)
        drafted = Task.get_task(task_id=clone.id).get_status()
        Task.enqueue(clone, queue_name="vision")
        found = Task.get_tasks(project_name="queues", task_name="^clone$",
                               task_filter=dict(status=["queued"]))
        ids = Task.query_tasks(project_name="queues", task_filter=dict(
            order_by=["name"], _any_=dict(fields=["name"], pattern="TEMP")))
        result = dict(
            queued=queued, place=place, drafted=drafted,
            parameters=clone.get_parameters(), template=task.get_parameters(),
            parent=clone.parent == task.id,
            found=[one.id == clone.id for one in found],
            ids=ids == [task.id],
            docker=clone.get_base_docker(),
        )
        clone.mark_stopped(force=True)
        result["deleted"] = bool(clone.delete())
        """
    )

    assert result == {
        "queued": "queued",
        "place": "vision",
        "drafted": "created",
        "parameters": {"Args/lr": "0.2", "Args/n": "3"},
        "template": {"Args/lr": "0.1", "Args/n": "3"},
        "parent": True,
        "found": [True],
        "ids": True,
        "docker": "python:3.11",
        "deleted": True,
    }


@pytest.mark.timeout(400)
def test_the_stock_agent_runs_a_grid_search(
    server: Server, sdk: SitDown, tmp_path: Path
) -> None:
    ann = sdk("ann-hpo")
    with stock_agent(server, tmp_path / "agent", "default"):
        result = ann.run(
            """
            import time
            from clearml import Task
            from clearml.automation import (
                DiscreteParameterRange, GridSearch, HyperParameterOptimizer)
            code = '''
            from clearml import Task
            task = Task.init()
            x = float(task.get_parameter("Args/x"))
            task.get_logger().report_scalar("score", "r2", value=-x * x, iteration=0)
            print("x is", x)
            '''
            import textwrap
            base = Task.create("hpo", "base", task_type="training")
            base.update_task({"script": {
                "binary": "python3", "repository": "", "entry_point": "work.py",
                "working_dir": ".", "diff": textwrap.dedent(code),
                "requirements": {}}})
            base.set_parameters({"Args/x": 9})
            controller = Task.init("hpo", "search", task_type=Task.TaskTypes.optimizer,
                                   auto_connect_frameworks=False)
            search = HyperParameterOptimizer(
                base_task_id=base.id,
                hyper_parameters=[DiscreteParameterRange("Args/x", values=[1, 2])],
                objective_metric_title="score", objective_metric_series="r2",
                objective_metric_sign="max", optimizer_class=GridSearch,
                execution_queue="default", max_number_of_concurrent_tasks=1,
                pool_period_min=0.02, total_max_jobs=2)
            search.set_report_period(0.05)
            search.start()
            search.wait(timeout=5)
            search.stop()
            top = search.get_top_experiments(top_k=2)
            result = dict(
                states=[one.get_status() for one in top],
                best=top[0].get_parameter("Args/x"),
                log="x is" in "".join(top[0].get_reported_console_output(10)),
                metric=top[0].get_last_scalar_metrics()["score"]["r2"]["last"],
            )
            """,
            seconds=360,
        )

    assert result == {
        "states": ["completed", "completed"],
        "best": "1",
        "log": True,
        "metric": -1.0,
    }


def test_a_pipeline_runs_locally(sdk: SitDown) -> None:
    result = sdk("pia").run(
        """
        from clearml import PipelineController
        def one(start=1):
            return start + 1
        def two(number):
            return number * 10
        pipe = PipelineController(name="pipe", project="pipes", version="1.0.0",
                                  pool_frequency=0.01)
        pipe.add_function_step("one", one, function_return=["number"],
                               cache_executed_step=False)
        pipe.add_function_step("two", two, parents=["one"],
                               function_kwargs=dict(number="${one.number}"),
                               function_return=["total"])
        pipe.start_locally(run_pipeline_steps_locally=True)
        from clearml import Task
        steps = {name: node.executed for name, node
                 in pipe.get_pipeline_dag().items()}
        total = Task.get_task(task_id=steps["two"]).get_parameter("return/total")
        result = dict(steps=sorted(steps), total=total)
        """,
        seconds=180,
    )

    assert result == {"steps": ["one", "two"], "total": "20"}
