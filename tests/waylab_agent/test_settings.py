from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from waylab_agent.errors import SettingsError
from waylab_agent.settings import read_settings
from waylab_agent.slots import slots_of

COMPLETE = {
    "NODE": "vision",
    "QUEUES": "vision, default",
    "SLOTS": "2",
    "SERVICES_SLOTS": "1",
    "API_URL": "http://127.0.0.1:1",
    "WEB_URL": "http://127.0.0.1:1",
    "FILES_URL": "http://127.0.0.1:1/files",
    "KEY_FILE": "/k",
    "STATE": "/s",
    "HOMES": "/h",
}


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    before = {k: v for k, v in os.environ.items() if k.startswith("WAYLAB_AGENT_")}
    values: dict[str, str] = {}
    yield values
    for name in [k for k in os.environ if k.startswith("WAYLAB_AGENT_")]:
        del os.environ[name]
    os.environ.update(before)


def put(**changes: str) -> None:
    for name, value in {**COMPLETE, **changes}.items():
        os.environ[f"WAYLAB_AGENT_{name}"] = value


@pytest.mark.usefixtures("environ")
def test_a_node_without_gpus_has_cpu_slots_and_services() -> None:
    put()
    slots = slots_of(read_settings())
    assert [slot.name for slot in slots] == ["cpu0", "cpu1", "services0"]
    assert slots[0].queues == ("vision", "default")
    assert slots[2].queues == ("services",)


@pytest.mark.usefixtures("environ")
def test_each_device_has_its_slot() -> None:
    put(DEVICES="GPU-a,GPU-b")
    slots = slots_of(read_settings())
    assert [(slot.name, slot.devices) for slot in slots] == [
        ("gpu0", ("GPU-a",)),
        ("gpu1", ("GPU-b",)),
        ("services0", ()),
    ]


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"NODE": "a b"}, "WAYLAB_AGENT_NODE='a b'"),
        ({"SLOTS": "many"}, "WAYLAB_AGENT_SLOTS='many'"),
        ({"SLOTS": "-1"}, "WAYLAB_AGENT_SLOTS='-1'"),
        ({"DEVICES": "GPU-a"}, "slot i gets device i"),
        ({"QUEUES": "default,services"}, "WAYLAB_AGENT_SERVICES_SLOTS"),
        ({"QUEUES": "a,a"}, "twice"),
        ({"QUEUES": ""}, "WAYLAB_AGENT_QUEUES is empty"),
        ({"SLOTS": "0", "SERVICES_SLOTS": "0", "QUEUES": ""}, "both 0"),
        ({"BOARD_URL": "http://b/services/gpus"}, "WAYLAB_AGENT_BOARD_TOKEN_FILE"),
        ({"DEVICES": "auto"}, "needs WAYLAB_AGENT_BOARD_URL"),
        ({"ENGINE": "unix:///var/run/docker.sock"}, "WAYLAB_AGENT_SITE_FILE"),
    ],
)
def test_a_bad_setting_is_named(changes: dict[str, str], words: str) -> None:
    put(**changes)
    with pytest.raises(SettingsError, match=words):
        read_settings()


@pytest.mark.usefixtures("environ")
def test_a_missing_setting_is_named() -> None:
    put()
    del os.environ["WAYLAB_AGENT_API_URL"]
    with pytest.raises(SettingsError, match="WAYLAB_AGENT_API_URL is not set"):
        read_settings()


@pytest.mark.usefixtures("environ")
def test_with_a_board_slots_are_those_without_a_gpu() -> None:
    board = {"BOARD_URL": "http://b/services/gpus", "BOARD_TOKEN_FILE": "/t"}
    put(DEVICES="auto", SLOTS="0", **board)
    settings = read_settings()
    assert settings.devices == ("auto",)
    assert settings.slots == 0


@pytest.mark.usefixtures("environ")
def test_what_is_set_comes_before_what_a_join_has_kept() -> None:
    put(NODE="set")
    kept = {"WAYLAB_AGENT_NODE": "kept", "WAYLAB_AGENT_SITE_ID": "kept"}
    settings = read_settings(kept)
    assert (settings.node, settings.site_id) == ("set", "kept")
