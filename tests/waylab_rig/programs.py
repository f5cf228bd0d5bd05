"""Runs a program in a container of a simulated node, or beside one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from waylab_engine import plans
from waylab_engine.plans import Ground, Limits, Occupant, Program, Wish
from waylab_ledger.values import Holder
from waylab_rig.rig import REFERENCE, RunningEngine
from waylab_site.model import Image

IMAGE = Image(name="small", title="Small", reference=REFERENCE)
GIB = 1024**3

# Unmodified nvidia-ml-py, as any program would use it.
NVML = """
import json, pynvml as nvml
try:
    nvml.nvmlInit()
except nvml.NVMLError as error:
    print(json.dumps(type(error).__name__))
    raise SystemExit
def slices(gpu):
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
        try:
            one = nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index)
        except nvml.NVMLError_NotFound:
            return
        yield nvml.nvmlDeviceGetUUID(one)
found = []
for index in range(nvml.nvmlDeviceGetCount()):
    gpu = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(gpu)
    try:
        busy = nvml.nvmlDeviceGetUtilizationRates(gpu).gpu
    except nvml.NVMLError_NotSupported:
        busy = None
    try:
        linked = nvml.nvmlDeviceGetNvLinkState(gpu, 0)
    except nvml.NVMLError:
        linked = 0
    found.append({
        "uuid": nvml.nvmlDeviceGetUUID(gpu), "name": nvml.nvmlDeviceGetName(gpu),
        "gib": memory.total / 2**30, "used_gib": memory.used / 2**30, "busy": busy,
        "slices": list(slices(gpu)), "linked": bool(linked),
    })
print(json.dumps(found))
"""


def beside(node: RunningEngine, code: str = NVML) -> Any:
    """Run Python on this machine, as the node's agent runs; read its JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **node.environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def within(node: RunningEngine, *devices: str, code: str = NVML) -> Any:
    """Run Python in a container with these devices; read its JSON."""
    return json.loads(output(node, "python", "-c", code, devices=devices))


def output(
    node: RunningEngine, *command: str, devices: tuple[str, ...] = (), name: str = "t"
) -> str:
    """Run a program in a container to its end; give what it wrote."""
    with node.engine() as engine:
        ground = Ground("rig", node.node, engine.info(), (IMAGE,))
        who = Occupant(Holder.job(name), "ann", lease="L", devices=devices)
        limits = Limits(cpus=2, memory_bytes=2 * GIB)
        plan = plans.job(ground, who, limits, Program(command, {}), Wish())
        container = engine.create(plan)
        try:
            engine.start(container)
            deadline = time.monotonic() + 60
            while engine.inspect(container).is_running:
                assert time.monotonic() < deadline, engine.logs(container)
                time.sleep(0.02)
            return engine.logs(container)
        finally:
            engine.remove(container, force=True)
