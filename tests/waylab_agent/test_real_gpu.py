"""Real GPUs, where the machine has some: what NVML tells, and what CUDA sees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.ledger_rig import LedgerRig

from waylab_agent.inventory import Reading
from waylab_agent.nvml import Nvml, NvmlTrouble
from waylab_ledger.values import LeaseState

MIB = 1024**2
# Takes memory of every GPU that the driver shows to it, and holds it till the gate.
HOLD = """
import ctypes, pathlib, sys, time, uuid
cuda = ctypes.CDLL("libcuda.so.1")

def check(code):
    if code:
        print("CUDA says", code, flush=True)
        sys.exit(0)

check(cuda.cuInit(0))
count = ctypes.c_int()
check(cuda.cuDeviceGetCount(ctypes.byref(count)))
for index in range(count.value):
    device, raw = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    check(cuda.cuDeviceGet(ctypes.byref(device), index))
    check(cuda.cuDeviceGetUuid(raw, device))
    context, memory = ctypes.c_void_p(), ctypes.c_void_p()
    check(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
    check(cuda.cuCtxSetCurrent(context))
    check(cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(1 << 20)))
    print("HOLDS GPU-" + str(uuid.UUID(bytes=bytes(raw))), flush=True)
print("held", flush=True)
gate = pathlib.Path({gate!r})
while not gate.exists():
    time.sleep(0.1)
"""
NO_DEVICE = "CUDA says 100"
"""`CUDA_ERROR_NO_DEVICE`."""


def readings() -> tuple[Reading, ...]:
    """Give the GPUs; skip where the machine has none that this test can use."""
    try:
        found = Nvml().read()
    except NvmlTrouble as trouble:
        pytest.skip(f"NVML fails here: {trouble}")
    if not found:
        pytest.skip("NVML finds no NVIDIA driver or GPU on this machine")
    if any(one.is_sliced for one in found):
        pytest.skip("a GPU of this machine is cut into MIG slices")
    return found


def enqueue(ledger: LedgerRig, gate: Path, gpus: int) -> str:
    item = {"section": "Waylab", "name": "gpus", "value": str(gpus)}
    return ledger.rig.enqueue(
        HOLD.replace("{gate!r}", repr(str(gate))),
        hyperparams={"Waylab": {"gpus": item}},
    )


def shown_in_use(ledger: LedgerRig) -> set[str]:
    """Give the real GPUs of which the board shows who has them, and their memory."""
    return {
        one.device.id
        for node in ledger.board.state().nodes
        for one in node.devices
        if one.lease and one.memory_used_bytes and not one.device.simulated
    }


def held(ledger: LedgerRig, task: str) -> set[str]:
    console = ledger.rig.console(task).splitlines()
    return {line.split()[1] for line in console if line.startswith("HOLDS ")}


def test_nvml_is_read_as_the_driver_s_own_tool_tells_it() -> None:
    found = readings()
    smi = shutil.which("nvidia-smi")
    if smi is None:
        pytest.skip("there is no nvidia-smi on this machine")
    told = subprocess.run(
        [
            smi,
            "--query-gpu=index,uuid,name,memory.total",
            "--format=csv,noheader,nounits",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert [
        f"{one.index}, {one.uuid}, {one.model}, {one.memory_bytes // MIB}"
        for one in found
    ] == told.splitlines()


def test_cuda_sees_exactly_what_is_leased_and_nobody_gets_it_meanwhile(
    ledger: LedgerRig, tmp_path: Path
) -> None:
    uuids = {one.uuid for one in readings()}
    gate = tmp_path / "gate"
    ledger.start_agent(DEVICES="auto", SLOTS="2")
    try:
        first = enqueue(ledger, gate, len(uuids))
        lease = ledger.wait_for_lease(first, LeaseState.ACTIVE)
        ledger.rig.wait_for_line(first, "held\n")
        wait_until(lambda: shown_in_use(ledger) == uuids, "the GPUs on the board")
        second = enqueue(ledger, gate, 1)
        none = enqueue(ledger, gate, 0)
        assert ledger.rig.end_of(none) == ("completed", "completed")
        assert ledger.lease_of(second) is None
    finally:
        gate.touch()

    assert set(lease.devices) == held(ledger, first) == uuids
    assert NO_DEVICE in ledger.rig.console(none)
    assert ledger.rig.end_of(first) == ("completed", "completed")
    assert ledger.rig.end_of(second) == ("completed", "completed")
    assert len(held(ledger, second)) == 1
    ledger.wait_for_release()
