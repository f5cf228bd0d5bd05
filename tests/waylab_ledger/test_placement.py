"""Which devices a request gets."""

from __future__ import annotations

import pytest
from tests.waylab_ledger.site import GIB, gpu

from waylab_ledger.placement import Capacity, could_fit, describe, gpu_share, place
from waylab_ledger.values import Device, DeviceKind, Selector


def node(name: str, *devices: Device, free: str = "all", **rest: bool) -> Capacity:
    ids = [one.id for one in devices]
    chosen = ids if free == "all" else [ids[int(digit)] for digit in free]
    return Capacity(name, devices, frozenset(chosen), **rest)


def gpus(name: str, count: int, **rest: object) -> tuple[Device, ...]:
    return tuple(gpu(name, index, **rest) for index in range(count))  # type: ignore[arg-type]


def slice_(index: int, parent: str, profile: str = "1g.10gb") -> Device:
    return Device(
        id=f"MIG-{parent}-{index}",
        node="a",
        kind=DeviceKind.MIG,
        index=index,
        memory_bytes=10 * GIB,
        parent=parent,
        mig_profile=profile,
    )


def chosen(selector: Selector, *nodes: Capacity) -> tuple[str, tuple[str, ...]] | None:
    found = place(selector, nodes)
    if found is None:
        return None
    return found.node, tuple(one.rsplit("-", 1)[1] for one in found.devices)


def test_the_node_on_which_least_stays_free_is_taken() -> None:
    a, b = node("a", *gpus("a", 4)), node("b", *gpus("b", 2))
    assert chosen(Selector(count=2), a, b) == ("b", ("0", "1"))


def test_linked_neighbours_come_before_the_tighter_fit() -> None:
    tight = node("a", *gpus("a", 2))
    linked = node("b", *gpus("b", 2, link="x"), *(gpu("b", i) for i in (2, 3)))
    assert chosen(Selector(count=2), tight, linked) == ("b", ("0", "1"))
    assert chosen(Selector(), tight, linked) == ("a", ("0",))


def test_a_large_node_is_spared_as_long_as_another_will_do() -> None:
    a = node("a", *gpus("a", 1), large=True)
    b = node("b", *gpus("b", 4))
    assert chosen(Selector(), a, b) == ("b", ("0",))
    assert chosen(Selector(), a, node("b", *gpus("b", 4), free="")) == ("a", ("0",))


def test_the_smallest_device_that_will_do_is_taken() -> None:
    small, big = gpu("a", 0, model="T4", gib=16), gpu("a", 1, gib=80)
    assert chosen(Selector(), node("a", big, small)) == ("a", ("0",))
    wants_memory = Selector(min_memory_bytes=40 * GIB)
    assert chosen(wants_memory, node("a", big, small)) == ("a", ("1",))


def test_equal_devices_go_together() -> None:
    devices = (gpu("a", 0, model="T4", gib=16), *(gpu("a", i) for i in (1, 2)))
    assert chosen(Selector(count=2), node("a", *devices)) == ("a", ("1", "2"))


def test_a_reserved_node_serves_only_who_names_it() -> None:
    a = node("a", *gpus("a", 1), reserved=True)
    assert chosen(Selector(), a) is None
    assert chosen(Selector(nodes=("a",)), a) == ("a", ("0",))


def test_devices_of_two_nodes_are_never_joined() -> None:
    a, b = node("a", *gpus("a", 1)), node("b", *gpus("b", 1))
    assert chosen(Selector(count=2), a, b) is None


def test_a_model_is_asked_for_by_a_part_of_its_name_in_any_case() -> None:
    a = node("a", gpu("a", 0, model="NVIDIA A100-SXM4-80GB"))
    assert chosen(Selector(model="a100"), a) == ("a", ("0",))
    assert chosen(Selector(model="H100"), a) is None


def test_nvlink_neighbours_stay_together() -> None:
    devices = [gpu("a", i, link=f"pair{i // 2}") for i in range(4)]
    pair = node("a", *devices, free="023")
    assert chosen(Selector(count=2), pair) == ("a", ("2", "3"))


def test_a_single_request_breaks_no_whole_pair() -> None:
    devices = [gpu("a", i, link=f"pair{i // 2}") for i in range(4)]
    assert chosen(Selector(), node("a", *devices, free="123")) == ("a", ("1",))


def test_a_request_larger_than_a_group_takes_whole_groups_first() -> None:
    devices = [gpu("a", i, link="x" if i < 3 else "y") for i in range(6)]
    found = place(Selector(count=4), [node("a", *devices)])
    assert found is not None
    assert len(found.devices) == 4
    groups = [one for one in devices if one.id in found.devices]
    assert sorted(one.link_group or "" for one in groups).count("x") in {1, 3}


def test_slices_are_taken_from_the_gpu_with_the_fewest_left() -> None:
    slices = [slice_(0, "G1"), slice_(1, "G1"), slice_(2, "G2"), slice_(3, "G2")]
    a = node("a", *slices, free="123")
    found = place(Selector(mig_profile="1g.10gb"), [a])
    assert found is not None
    assert found.devices == ("MIG-G1-1",)


def test_a_slice_is_no_gpu_and_a_gpu_is_no_slice() -> None:
    mixed = node("a", slice_(0, "G1"), gpu("a", 1))
    assert chosen(Selector(), mixed) == ("a", ("1",))
    assert chosen(Selector(mig_profile="1g.10gb"), mixed) == ("a", ("0",))
    assert chosen(Selector(mig_profile="2g.20gb"), mixed) is None


def test_whether_it_could_ever_fit_does_not_look_at_what_is_free() -> None:
    a = node("a", *gpus("a", 2), free="")
    assert could_fit(Selector(count=2), [a])
    assert not could_fit(Selector(count=3), [a])


@pytest.mark.parametrize(
    ("device", "share"),
    [
        (gpu("a", 0), 1.0),
        (slice_(0, "G", "2g.20gb"), 2 / 7),
        (Device("cpu:a:0", "a", DeviceKind.CPU, 0), 0.0),
    ],
)
def test_a_slice_counts_as_its_part_of_a_gpu(device: Device, share: float) -> None:
    assert gpu_share(device) == share


def test_a_request_is_described_for_people() -> None:
    selector = Selector(
        count=2, model="A100", min_memory_bytes=40 * GIB, nodes=("nlp",)
    )
    assert describe(selector) == '2 x GPU "A100" of 40 GiB or more on nlp'
