"""Metrics, streams, usage and the audit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.waylab_board.conftest import EPOCH, Ask, hub

from waylab_board.audit import APART_SECONDS
from waylab_board.testing import FakeNode, RunningBoard
from waylab_ledger.values import Found, Lease, Selector


def samples(board: RunningBoard, name: str) -> dict[tuple[str, ...], float]:
    text = board.call("GET", "/metrics").raise_for_status().text
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_metrics_count_leases_waits_and_devices(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    vision.utilisation = {"GPU-vision-0": {"gpu_percent": 50.0}}
    ask("ada", Selector(count=2))
    ask("bob")
    vision.report()

    assert samples(board, "waylab_leases") == {("lab", "vision", "granted"): 1}
    assert samples(board, "waylab_tickets") == {("lab", "", "waiting"): 1}
    devices = samples(board, "waylab_devices")
    assert devices == {("gpu", "RTX 4090", "vision", "held"): 2}
    used = samples(board, "waylab_device_utilisation_ratio")
    assert used == {("GPU-vision-0", "vision"): 0.5}
    assert samples(board, "waylab_wait_seconds_count") == {("lab", ""): 1}
    assert samples(board, "waylab_ledger_call_seconds_count")["decide",] > 0


@contextmanager
def stream(board: RunningBoard) -> Iterator[Iterator[int]]:
    """Listen to the versions."""
    headers = {"Authorization": f"token {board.operator_token}"}
    with httpx.stream(
        "GET", f"{board.api}/stream", headers=headers, timeout=20, trust_env=False
    ) as answer:
        lines = answer.raise_for_status().iter_lines()
        yield (
            json.loads(line.removeprefix("data: "))["version"]
            for line in lines
            if line.startswith("data: ")
        )


def test_a_stream_tells_the_version_and_then_every_change(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    with stream(board) as versions:
        first = next(versions)
        ask("ada")

        assert next(versions) > first


def test_a_board_that_is_stopped_ends_its_streams(board: RunningBoard) -> None:
    with stream(board) as versions:
        next(versions)
        board.stop()

        assert board.log.count("Traceback") == 0


def test_usage_is_told_by_user(board: RunningBoard, vision: FakeNode, ask: Ask) -> None:
    ask("ada", Selector(count=2))

    told = board.call("GET", "/usage?by=user").json()
    wrong = board.call(
        "GET", "/usage?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"
    )

    assert set(told) == {"ada"}
    assert told["ada"] >= 0
    assert wrong.status_code == 400


def test_events_tell_what_happened(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    ask("ada")
    board.call("POST", "/nodes/vision/drain")

    events = board.call("GET", "/events").json()
    kinds = [event["kind"] for event in events]
    assert {"lease-granted", "node-drained"} <= set(kinds)
    after = events[-2]["number"]
    assert len(board.call("GET", f"/events?after={after}").json()) == 1


def test_the_audit_of_a_healthy_site_finds_nothing(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    ask("ada")

    assert board.call("GET", "/audit").json() == []


def test_the_audit_tells_of_a_holder_that_nobody_sees(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada")
    hub(board, "POST", f"/leases/{lease.id}/active", {}).raise_for_status()
    vision.found = (Found("c2", "gone", "lab:eve/", ("GPU-vision-1",), "running"),)
    vision.report()
    vision.report()

    with vision.reporting():
        told = board.call("GET", "/audit").json()

    assert told == [
        "vision: c2 (lab:eve/) is running with lease gone, which the ledger does not "
        "hold.",
        f"vision: lab:ada/ holds {lease.id}, but its agent sees nothing of it.",
    ]


def test_the_audit_accuses_nobody_by_what_a_node_saw_long_ago(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada")
    assert isinstance(lease, Lease)
    running = {"engine_id": "engine-of-vision", "found": "c1"}
    hub(board, "POST", f"/leases/{lease.id}/active", running).raise_for_status()
    vision.found = (Found("c1", lease.id, "lab:ada/", lease.devices, "running"),)
    vision.report()
    gone = {"proof": {"kind": "exited", "by": EPOCH, "engine_id": "engine-of-vision"}}
    hub(board, "POST", f"/leases/{lease.id}/release", gone).raise_for_status()
    vision.found = ()

    with ThreadPoolExecutor(1) as pool:
        audit = pool.submit(board.call, "GET", "/audit")
        time.sleep(APART_SECONDS + 2)  # The agent is late, but not silent.
        assert not audit.done()
        vision.report()
        vision.report()

        assert audit.result().json() == []
