import json
from pathlib import Path

import pytest

from waylab_rig import devices
from waylab_rig.devices import of_node, parse
from waylab_rig.errors import RigError

GROUP = {"model": "A100", "count": 1, "memory_gib": 80}


def test_a_node_has_the_same_devices_at_every_start() -> None:
    assert of_node("n", "A100", 4, 80) == of_node("n", "A100", 4, 80)
    assert of_node("n", "A100", 1, 80)[0].uuid != of_node("m", "A100", 1, 80)[0].uuid


def test_every_model_says_that_it_is_simulated() -> None:
    made = parse(json.dumps([{**GROUP, "mig": ["1g.10gb"]}]), "n")

    assert [device.model for device in made] == [
        "A100 (simulated)",
        "A100 MIG 1g.10gb (simulated)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"model": "x"}]',
        json.dumps([{**GROUP, "count": -1}]),
        json.dumps([{**GROUP, "count": True}]),
        json.dumps([{**GROUP, "memory_gib": "80"}]),
        json.dumps([{**GROUP, "memory_gib": 0}]),
        json.dumps([{**GROUP, "mig": "1g.10gb"}]),
        json.dumps([{**GROUP, "mig": ["huge"]}]),
    ],
)
def test_what_describes_no_devices_is_refused(text: str) -> None:
    with pytest.raises(RigError, match="are no devices: write a list"):
        parse(text, "n")


def test_more_devices_than_anybody_has_are_refused() -> None:
    with pytest.raises(RigError, match="65 devices are too many"):
        parse(json.dumps([{**GROUP, "count": 65}]), "n")


def test_a_load_outlives_a_start_and_a_device_that_left_is_gone(
    tmp_path: Path,
) -> None:
    one, other = of_node("n", "A100", 2, 80)
    devices.write(tmp_path, [one, other])
    devices.set_load(tmp_path, one.uuid, gpu_percent=5, memory_used_bytes=7)

    devices.write(tmp_path, [one])

    assert [path.name for path in tmp_path.iterdir()] == ["00"]
    assert (tmp_path / "00" / "load").read_text("utf-8").startswith("5 7 ")
    with pytest.raises(RigError, match="no simulated device"):
        devices.set_load(tmp_path, other.uuid, gpu_percent=5, memory_used_bytes=7)
