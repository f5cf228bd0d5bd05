"""Reports scalars through an official client, and prints the seconds that it took.

`python tracking_feeds.py clearml|mlflow COUNT`; the server is in the environment.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

CURVES = 10
MAX_SECONDS = 300.0


def by_clearml(count: int) -> float:
    """Report, and wait until the server has all of it: `flush` alone does not."""
    task = importlib.import_module("clearml").Task.init(
        "bench", "fed", auto_connect_frameworks=False, auto_resource_monitoring=False
    )
    logger = task.get_logger()
    began = time.perf_counter()
    for number in range(count):
        logger.report_scalar("loss", f"m{number % CURVES}", number / 7, number)
    task.flush(wait_for_uploads=True)
    while _held(task) < count and time.perf_counter() - began < MAX_SECONDS:
        time.sleep(0.05)
    took = time.perf_counter() - began
    if _held(task) < count:
        sys.exit(f"{_held(task)} of {count} points arrived in {took:.0f} s")
    task.close()
    return took


def _held(task: Any) -> int:
    curves = task.get_reported_scalars().get("loss") or {}
    return sum(len(curve["x"]) for curve in curves.values())


def by_mlflow(count: int) -> float:
    """Log without waiting for each, then for all."""
    mlflow = importlib.import_module("mlflow")
    with mlflow.start_run():
        began = time.perf_counter()
        for number in range(count):
            mlflow.log_metric(
                f"m{number % CURVES}", number / 7, step=number, synchronous=False
            )
        mlflow.flush_async_logging()
        return time.perf_counter() - began


if __name__ == "__main__":
    feed = {"clearml": by_clearml, "mlflow": by_mlflow}[sys.argv[1]]
    print(feed(int(sys.argv[2])))
