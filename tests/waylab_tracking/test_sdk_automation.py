"""Remote execution, offline sessions, schedulers and searches of the official SDK."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.sdk import Sdk

pytestmark = pytest.mark.clearml
SitDown = Callable[[str], Sdk]

REMOTE = """
import json, os, pathlib
from clearml import Task
task = Task.init("remote", "nodes", auto_connect_frameworks=False)
settings = task.connect({"lr": 0.1, "n": 3})
pathlib.Path(os.environ["RESULT"]).write_text(json.dumps(task.id))
task.execute_remotely("default")
node = task.launch_multi_node(3, port=29600, queue="services", addr="10.0.0.1")
task.close()
result = dict(settings=settings, rank=os.environ["RANK"], node=node["node_rank"],
              world=os.environ["WORLD_SIZE"], master=os.environ["MASTER_ADDR"])
"""


def begin_next(agent: Door, queue: str) -> str:
    """Do what an agent does before it runs a task; give the task."""
    known = agent.call("queues.get_all", name=f"^{queue}$")["queues"]
    entry = agent.call("queues.get_next_task", queue=known[0]["id"])["entry"]
    agent.call("tasks.started", task=entry["task"], status_reason="pulled by agent")
    return str(entry["task"])


def test_a_script_goes_on_remotely_and_launches_its_nodes(
    sdk: SitDown, agent: Door
) -> None:
    eva = sdk("eva")
    task = eva.run(REMOTE)
    eva_door = Door(eva.server, eva.keys)
    queued = eva_door.call("tasks.get_by_id", task=task)["task"]
    changed = {"section": "General", "name": "lr", "value": "0.5"}
    eva_door.call(
        "tasks.edit_hyper_params", task=task, hyperparams=[changed], force=True
    )

    assert queued["status"] == "queued"
    assert begin_next(agent, "default") == task
    master = eva.run(REMOTE, CLEARML_TASK_ID=task)
    children = [begin_next(agent, "services") for _ in range(2)]
    child = eva.run(REMOTE, CLEARML_TASK_ID=children[1])
    records = [
        eva_door.call("tasks.get_by_id", task=one)["task"] for one in (task, *children)
    ]
    eva_door.close()

    settings = {"lr": 0.5, "n": 3}
    assert master == {
        "settings": settings,
        "rank": "0",
        "node": 0,
        "world": "3",
        "master": "10.0.0.1",
    }
    assert child == {**master, "rank": "2", "node": 2}
    # That a task is done is for its agent to say.
    assert {one["status"] for one in records} == {"in_progress"}
    assert [one["parent"] for one in records[1:]] == [task, task]
    assert all("multi_node_instance" in one["system_tags"] for one in records[1:])


def test_offline_sessions_are_imported(sdk: SitDown) -> None:
    result = sdk("ole").run(
        """
        import pathlib
        import numpy as np
        from clearml import Dataset, Task
        Task.set_offline(True)
        task = Task.init("offline", "at sea", auto_connect_frameworks=False)
        task.connect({"lr": 0.1})
        task.set_tags(["sea"])
        log = task.get_logger()
        for number in range(5):
            log.report_scalar("loss", "train", value=number, iteration=number)
        log.report_image("img", "s", 1, image=np.zeros((4, 4, 3), dtype="uint8"))
        log.report_table("table", "t", 1, table_plot=[["a"], [1]])
        print("said at sea")
        task.upload_artifact("numbers", {"a": 1}, wait_on_upload=True)
        task.flush(wait_for_uploads=True)
        folder = task.get_offline_mode_folder()
        task.close()
        Dataset.set_offline(True)
        pathlib.Path("x.txt").write_text("x")
        data = Dataset.create(dataset_project="offline", dataset_name="data")
        data.add_files("x.txt")
        data.upload(show_progress=False)
        data_folder = data.get_offline_mode_folder()
        Task.current_task().close()
        Dataset.set_offline(False)
        Task.set_offline(False)

        session = f"{folder}.zip"
        first = Task.import_offline_session(session)
        second = Task.import_offline_session(session, previous_task_id=first,
                                             iteration_offset=5)
        dataset = Dataset.import_offline_session(f"{data_folder}.zip")
        back = Task.get_task(task_id=first)
        result = dict(
            same=first == second, status=back.get_status(), tags=back.get_tags(),
            parameters=back.get_parameters(),
            curve=back.get_all_reported_scalars()["loss"]["train"],
            plots=sorted({one["metric"] for one in back.get_reported_plots()}),
            samples=len(back.get_debug_samples("img", "s")),
            artifact=back.artifacts["numbers"].get(),
            console="said at sea" in "".join(back.get_reported_console_output(50)),
            files=Dataset.get(dataset_id=dataset).list_files(),
        )
        """
    )

    curve = result.pop("curve")
    assert curve["x"] == list(range(10))
    assert curve["y"] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    assert result == {
        "same": True,
        "status": "completed",
        "tags": ["sea"],
        "parameters": {"General/lr": "0.1"},
        "plots": ["table"],
        "samples": 2,
        "artifact": {"a": 1},
        "console": True,
        "files": ["x.txt"],
    }


def test_schedules_and_triggers_start_tasks_and_functions(sdk: SitDown) -> None:
    result = sdk("tia").run(
        """
        import threading, time
        from clearml import Dataset, OutputModel, Task
        from clearml.automation import TaskScheduler, TriggerScheduler
        def wait_for(condition, seconds=40):
            deadline = time.monotonic() + seconds
            while not (found := condition()):
                assert time.monotonic() < deadline, (called, "waited in vain")
                time.sleep(0.1)
            return found
        called = dict(clock=[], model=[], metric=[], data=[], tag=[])
        base = Task.create("auto", "base")
        base.set_parameters({"Args/x": "1"})
        main = Task.init("DevOps", "clock", task_type="service",
                         auto_resource_monitoring=False)
        def fail(name):
            task = Task.create("auto", name)
            task.mark_started(force=True)
            task.mark_failed()
            return task.id
        def publish(name):
            model = OutputModel(main, name=name)
            model.update_weights(register_uri=f"https://m.example/{name}")
            model.publish()
            return model.id
        def store(name):
            data = Dataset.create(dataset_project="auto", dataset_name=name,
                                  use_current_task=False)
            data.upload(show_progress=False)
            data.finalize()
            return data.id
        fail("failed before"), publish("published before"), store("stored before")

        clock = TaskScheduler()
        clock.add_task(base.id, queue="default", name="at once", minute=30,
                       execute_immediately=True, recurring=False,
                       task_parameters={"Args/x": "2"})
        clock.add_task(schedule_function=lambda: called["clock"].append("struck"),
                       name="function", hour=1, execute_immediately=True)
        trigger = TriggerScheduler(pooling_frequency_minutes=0.004)
        trigger.add_model_trigger(schedule_function=called["model"].append,
                                  trigger_project="DevOps", name="model",
                                  trigger_on_publish=True)
        trigger.add_task_trigger(base.id, "services", name="failure",
                                 trigger_project="auto", trigger_on_status=["failed"],
                                 task_parameters={"Args/x": "${task.id}"})
        trigger.add_task_trigger(schedule_function=called["metric"].append,
                                 name="metric", trigger_on_metric="loss",
                                 trigger_on_variant="x", trigger_on_threshold=5,
                                 trigger_on_sign="max")
        trigger.add_task_trigger(schedule_function=called["tag"].append, name="tag",
                                 trigger_project="auto", trigger_on_tags=["go"])
        trigger.add_dataset_trigger(schedule_function=called["data"].append,
                                    name="data")
        for one in (clock, trigger):
            threading.Thread(target=one.start, daemon=True).start()
        def queued(queue):
            return [one for one in Task.get_tasks(project_name="auto",
                    task_filter=dict(status=["queued"]))
                    if one.get_executed_queue(return_name=True) == queue]
        [scheduled] = wait_for(lambda: queued("default"))
        wait_for(lambda: all(one.last_update for one in trigger.get_triggers()))
        failed, published = fail("failed"), publish("published")
        stored = store("stored")
        measured = Task.create("auto", "measured")
        measured.mark_started(force=True)
        for value in (1, 9):
            measured.get_logger().report_scalar("loss", "x", value, iteration=value)
        measured.flush(wait_for_uploads=True)
        measured.add_tags(["go"])
        [started] = wait_for(lambda: queued("services"))
        wait_for(lambda: all(called.values()))
        main.flush(wait_for_uploads=True)
        result = dict(
            scheduled=[scheduled.get_parameters(), scheduled.parent == base.id],
            clock=called["clock"], model=called["model"] == [published],
            failure=started.get_parameters()["Args/x"] == failed,
            metric=called["metric"] == [measured.id],
            tag=called["tag"] == [measured.id], data=called["data"] == [stored],
            configured=sorted(main.data.configuration) >= ["datasets", "models"],
            tags=started.get_tags(),
        )
        for one in (scheduled, started):
            one.mark_stopped(force=True)
        print(called)
        """,
        seconds=150,
    )

    assert result == {
        "scheduled": [{"Args/x": "2"}, True],
        "clock": ["struck"],
        "model": True,
        "failure": True,
        "metric": True,
        "tag": True,
        "data": True,
        "configured": True,
        "tags": ["failure"],
    }


@contextmanager
def worker(agent: Door, queue: str) -> Iterator[None]:
    """Work a queue off by hand: report `score` as what the parameter `x` gives."""
    known = agent.call("queues.get_all", name=f"^{queue}$")["queues"][0]["id"]
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.05):
            entry = agent.call("queues.get_next_task", queue=known).get("entry")
            if not entry:
                continue
            task = entry["task"]
            agent.call("tasks.started", task=task)
            record = agent.call("tasks.get_by_id", task=task)["task"]
            x = float(record["hyperparams"]["Args"]["x"]["value"])
            point = {"task": task, "type": "training_stats_scalar", "iter": 0}
            curve = {"metric": "score", "variant": "r2", "value": -x * x}
            agent.call("events.add", **point, **curve, timestamp=1)
            agent.call("tasks.completed", task=task)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.timeout(200)
def test_random_and_optuna_searches_find_the_better_parameter(
    sdk: SitDown, agent: Door, admin: Door
) -> None:
    admin.call("queues.create", name="trials")
    with worker(agent, "trials"):
        result = sdk("opal").run(
            """
            from clearml import Task
            from clearml.automation import (
                HyperParameterOptimizer, RandomSearch, UniformIntegerParameterRange)
            from clearml.automation.optuna import OptimizerOptuna
            base = Task.create("searches", "base")
            base.set_parameters({"Args/x": 9})
            Task.init("searches", "search", task_type="optimizer",
                      auto_connect_frameworks=False)
            result, searches = {}, []
            for kind, more in ((RandomSearch, {}),
                               (OptimizerOptuna, dict(max_iteration_per_job=10))):
                search = HyperParameterOptimizer(
                    base_task_id=base.id,
                    hyper_parameters=[
                        UniformIntegerParameterRange("Args/x", 1, 40)],
                    objective_metric_title="score", objective_metric_series="r2",
                    objective_metric_sign="max", optimizer_class=kind,
                    execution_queue="trials", max_number_of_concurrent_tasks=2,
                    pool_period_min=0.005, total_max_jobs=3, **more)
                search.set_report_period(0.02)
                search.start()
                searches.append((kind.__name__, search))
            for kind, search in searches:
                search.wait(timeout=1)
                search.stop()
                top = search.get_top_experiments(top_k=3)
                scores = [one.get_last_scalar_metrics()["score"]["r2"]["last"]
                          for one in top]
                xs = [-float(one.get_parameter("Args/x")) ** 2 for one in top]
                result[kind] = [len(top), scores == sorted(xs, reverse=True)]
            """,
            seconds=180,
        )

    assert result == {"RandomSearch": [3, True], "OptimizerOptuna": [3, True]}
