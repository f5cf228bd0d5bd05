"""Unmodified programs see simulated devices, and in a container the leased ones."""

from __future__ import annotations

import pytest
from tests.waylab_rig.programs import beside, output, within

from waylab_engine.errors import StartRefused
from waylab_rig.rig import RunningEngine

pytestmark = pytest.mark.docker
GIB = 1024**3


def test_a_nodes_agent_sees_all_of_its_devices(
    vision: RunningEngine, nlp: RunningEngine
) -> None:
    seen = beside(vision)
    others = beside(nlp)

    assert [gpu["uuid"] for gpu in seen] == list(vision.uuids)
    assert {gpu["name"] for gpu in seen} == {"NVIDIA GeForce RTX 4090 (simulated)"}
    assert [gpu["gib"] for gpu in seen] == [24, 24]
    assert [gpu["uuid"] for gpu in others] == list(nlp.uuids)
    assert [gpu["linked"] for gpu in others] == [True, True, True, False]
    assert [len(gpu["slices"]) for gpu in others] == [0, 0, 0, 2]


def test_a_container_sees_exactly_the_leased_devices(vision: RunningEngine) -> None:
    one, other = vision.uuids

    assert [gpu["uuid"] for gpu in within(vision, other)] == [other]
    assert [gpu["uuid"] for gpu in within(vision, one, other)] == [one, other]


def test_a_container_without_a_lease_sees_no_driver(vision: RunningEngine) -> None:
    assert within(vision) == "NVMLError_LibraryNotFound"


def test_a_slice_is_seen_on_its_gpu_and_its_neighbour_is_not(
    nlp: RunningEngine,
) -> None:
    cut = next(device for device in nlp.devices if device.is_cut)
    first, _ = (one for one in nlp.devices if one.parent == cut.uuid)

    (gpu,) = within(nlp, first.uuid)

    assert (gpu["uuid"], gpu["slices"]) == (cut.uuid, [first.uuid])
    assert gpu["busy"] is None


def test_a_load_is_seen_inside_and_outside(vision: RunningEngine) -> None:
    other = vision.uuids[1]
    vision.set_load(other, gpu_percent=77, memory_used_bytes=6 * GIB)
    try:
        outside = [(gpu["busy"], gpu["used_gib"]) for gpu in beside(vision)]
        (inside,) = within(vision, other)
    finally:
        vision.set_load(other, gpu_percent=0, memory_used_bytes=0)

    assert outside == [(0, 0), (77, 6)]
    assert (inside["busy"], inside["used_gib"]) == (77, 6)


def test_nvidia_smi_works_in_a_container(vision: RunningEngine) -> None:
    one = vision.uuids[0]
    query = "--query-gpu=index,uuid,memory.total"
    form = "--format=csv,noheader,nounits"

    assert output(vision, "nvidia-smi", query, form, devices=(one,)) == (
        f"0, {one}, 24576\n"
    )
    assert "(simulated)" in output(vision, "nvidia-smi", devices=(one,))
    assert output(vision, "nvidia-smi", "-L", devices=(one,)) == (
        f"GPU 0: NVIDIA GeForce RTX 4090 (simulated) (UUID: {one})\n"
    )


def test_a_device_cannot_be_changed_from_within(vision: RunningEngine) -> None:
    said = output(
        vision,
        *("sh", "-c", "echo 1 > /run/waylab-gpus/00/load; touch /run/waylab-gpus/x"),
        devices=vision.uuids[:1],
    )

    assert said.count("Permission denied") + said.count("Read-only") == 2


def test_a_device_of_another_node_is_refused_by_the_engine(
    vision: RunningEngine, nlp: RunningEngine
) -> None:
    with pytest.raises(StartRefused, match=f"{nlp.uuids[0]}: unknown device"):
        within(vision, nlp.uuids[0])


def test_two_nodes_are_apart(vision: RunningEngine, nlp: RunningEngine) -> None:
    with vision.engine() as one, nlp.engine() as other:
        assert one.info().id != other.info().id
        assert one.gateway() != other.gateway()
    assert vision.address.host != nlp.address.host
    assert not set(vision.uuids) & set(nlp.uuids)
