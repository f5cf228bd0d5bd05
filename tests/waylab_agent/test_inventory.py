from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from waylab_agent.inventory import (
    Reading,
    Slice,
    Slots,
    link_groups,
    mig_profile,
    slot_name,
    take,
)
from waylab_agent.limits import share_of
from waylab_ledger.values import DeviceKind
from waylab_rig import devices, standins
from waylab_rig.places import Places

GIB = 1 << 30


def gpu(index: int, *peers: str, switch: bool = False) -> Reading:
    return Reading(
        uuid=f"GPU-{index}",
        index=index,
        model="NVIDIA A100",
        memory_bytes=80 * GIB,
        peers=peers,
        on_switch=switch,
        gpu_percent=12.0,
        memory_used_bytes=GIB,
    )


SLICED = Reading(
    uuid="GPU-2",
    index=2,
    model="NVIDIA A100 (simulated)",
    memory_bytes=80 * GIB,
    is_sliced=True,
    slices=(
        Slice("MIG-a", "NVIDIA A100 MIG 1g.10gb", 10 * GIB, 1, 5),
        Slice("MIG-b", "NVIDIA A100 MIG 3g.40gb", 40 * GIB, 3, None),
    ),
)


def test_a_sliced_gpu_is_in_the_inventory_by_its_slices_alone() -> None:
    inventory = take("n", [gpu(0), SLICED], Slots(cpu=1, services=1), None)
    shown = [(d.id, d.kind, d.parent, d.mig_profile) for d in inventory.devices]
    assert shown == [
        ("GPU-0", DeviceKind.GPU, None, None),
        ("MIG-a", DeviceKind.MIG, "GPU-2", "1g.10gb"),
        ("MIG-b", DeviceKind.MIG, "GPU-2", "3g.40gb"),
        ("cpu:n:0", DeviceKind.CPU, None, None),
        ("service:n:0", DeviceKind.SERVICE, None, None),
    ]
    assert [d.simulated for d in inventory.devices] == [False, True, True, False, False]
    assert inventory.utilisation == {
        "GPU-0": {"gpu_percent": 12.0, "memory_used_bytes": float(GIB)},
        "MIG-a": {"memory_used_bytes": 5.0},
        "MIG-b": {},
    }


def test_only_named_devices_are_offered_and_missing_ones_told() -> None:
    inventory = take("n", [gpu(0), gpu(1)], Slots(), ["GPU-1", "GPU-9"])
    assert [device.id for device in inventory.devices] == ["GPU-1"]
    assert inventory.trouble == "NVML does not tell of GPU-9."


def test_links_make_groups_whichever_end_tells_of_them() -> None:
    readings = [gpu(0, "GPU-1"), gpu(1), gpu(2, "GPU-3"), gpu(3, "GPU-2"), gpu(4)]
    assert link_groups(readings) == {
        "GPU-0": "nvlink0",
        "GPU-1": "nvlink0",
        "GPU-2": "nvlink1",
        "GPU-3": "nvlink1",
    }


def test_a_switch_joins_all_that_hang_on_it() -> None:
    readings = [gpu(0, switch=True), gpu(1), gpu(2, switch=True)]
    assert link_groups(readings) == {"GPU-0": "nvlink0", "GPU-2": "nvlink0"}
    assert link_groups([gpu(0, switch=True)]) == {}


def test_a_profile_is_told_by_size_where_the_name_does_not() -> None:
    assert mig_profile(Slice("MIG-x", "A100", 20 * GIB, 2)) == "2g.20gb"
    assert mig_profile(Slice("MIG-x", "A MIG 1g.5gb+me", GIB, 1)) == "1g.5gb+me"


def test_slots_are_named_by_the_first_device() -> None:
    inventory = take("n", [gpu(0), gpu(1), SLICED], Slots(cpu=1, services=2), None)
    by_id = {device.id: device for device in inventory.devices}
    assert slot_name([by_id["GPU-1"], by_id["GPU-0"]]) == "gpu0"
    assert slot_name([by_id["MIG-b"]]) == "mig17"
    assert slot_name([by_id["service:n:1"]]) == "services1"
    names = [slot_name([device]) for device in inventory.devices]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("leased", "cpus", "memory_gib"),
    [
        (("GPU-0",), 8, 32),
        (("GPU-0", "GPU-1"), 16, 64),
        (("cpu:n:0",), 16 / 4, 16),
        (("service:n:0",), 2, 8),
    ],
)
def test_a_job_has_the_share_of_its_devices(
    leased: tuple[str, ...], cpus: float, memory_gib: int
) -> None:
    inventory = take("n", [gpu(0), gpu(1)], Slots(cpu=2, services=1), None)
    limits = share_of(leased, inventory.devices, 16, 64 * GIB)
    assert (limits.cpus, limits.memory_bytes) == (cpus, memory_gib * GIB)


READ = """
import json
from waylab_agent.nvml import Nvml
rows = [[r.uuid, r.model, r.memory_bytes, r.gpu_percent] for r in Nvml().read()]
print(json.dumps(rows))
"""


def test_nvml_is_read_through_whatever_library_the_loader_finds(
    tmp_path: Path,
) -> None:
    if standins.compiler() is None:
        pytest.skip("There is no C compiler to build the stand-in with.")
    places = Places(tmp_path)
    simulated = devices.of_node("n", "RTX 4090", 2, 24)
    standins.build(places.standins)
    devices.write(places.devices, simulated)
    devices.set_load(
        places.devices, simulated[1].uuid, gpu_percent=70, memory_used_bytes=GIB
    )
    said = subprocess.run(
        [sys.executable, "-c", READ],
        env=places.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout) == [
        [simulated[0].uuid, "RTX 4090 (simulated)", 24 * GIB, 0.0],
        [simulated[1].uuid, "RTX 4090 (simulated)", 24 * GIB, 70.0],
    ]


def test_a_machine_without_a_driver_has_no_gpus() -> None:
    said = subprocess.run(
        [sys.executable, "-c", READ],
        env={"LD_LIBRARY_PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    if json.loads(said.stdout):
        pytest.skip("This machine has a driver.")
    assert json.loads(said.stdout) == []
