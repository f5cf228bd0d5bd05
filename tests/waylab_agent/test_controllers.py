"""A controller and its children on a node with one slot."""

from __future__ import annotations

from tests.waylab_agent.rig import Rig

CHILD = """
from clearml import Task
task = Task.init()
values = task.connect({"x": 0.0})
x = float(values["x"])
task.get_logger().report_scalar("objective", "value", -(x - 2.0) ** 2, 1)
print("x is", x)
"""
CONTROLLER = """
from clearml import Task
from clearml.automation import (
    DiscreteParameterRange, GridSearch, HyperParameterOptimizer)
task = Task.init()
optimizer = HyperParameterOptimizer(
    base_task_id={base!r},
    hyper_parameters=[DiscreteParameterRange("General/x", [1.0, 2.0])],
    objective_metric_title="objective", objective_metric_series="value",
    objective_metric_sign="max", optimizer_class=GridSearch,
    execution_queue={queue!r}, max_number_of_concurrent_tasks=2,
    pool_period_min=0.02, total_max_jobs=2)
optimizer.set_report_period(0.05)
optimizer.start()
optimizer.wait()
print("best is", optimizer.get_top_experiments(1)[0].get_parameters()["General/x"])
optimizer.stop()
"""


def test_a_controller_and_its_children_finish_on_one_slot(rig: Rig) -> None:
    rig.start_agent(SLOTS="1", SERVICES_SLOTS="1", GRACE_SECONDS="5")
    base = rig.enqueue(CHILD)
    assert rig.end_of(base, 60)[0] == "completed"
    controller = rig.enqueue(CONTROLLER.format(base=base, queue=rig.queue), "services")
    assert rig.end_of(controller, 200)[0] == "completed"
    assert "best is 2.0" in rig.console(controller)
