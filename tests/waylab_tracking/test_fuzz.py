"""No call, however odd, makes the server fail or answer in a shape of its own."""

from __future__ import annotations

from pathlib import Path

from tests.waylab_tracking.conformance import violations
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.fuzz import fuzz

from waylab_tracking.access import ROWS
from waylab_tracking.testing import running_server


def test_five_hundred_odd_calls_of_all_routes_are_answered_in_order(
    tmp_path: Path,
) -> None:
    with running_server(tmp_path, record=True) as server:
        door = Door(server, server.create_user("root", "admin"))
        outcome = fuzz(server, door, examples=2, start=1)
        door.close()
        wrong = violations(server.recorded())

    assert outcome.wrong == []
    assert wrong == []
    assert outcome.calls >= 500
    assert {200, 400} <= set(outcome.statuses)


def test_what_long_soaks_found_stays_mended(tmp_path: Path) -> None:
    """Each of these was once answered with 500, or with fields of no schema."""
    with running_server(tmp_path, record=True) as server:
        door = Door(server, server.create_user("root", "admin"))
        model = door.call("models.create", name="a model", uri="")["id"]
        keyless = [
            door.refused("models.edit", model=model, metadata=[item])
            for item in ({}, {"type": "str"}, {"key": None}, {"key": 3})
        ]
        door.call("queues.create", name="shown", display_name="Shown")
        door.call("queues.get_all")
        door.close()
        wrong = violations(server.recorded())

    assert keyless == [(400, 800)] * 4
    assert wrong == []


def test_the_description_has_every_endpoint_and_who_may_call_it(
    tmp_path: Path,
) -> None:
    with running_server(tmp_path) as server:
        door = Door(server, server.create_user("ann"))
        described = door.http.get("/openapi.json").raise_for_status().json()
        door.close()

    paths = described["paths"]
    roles = {
        path.lstrip("/"): operation["post"]["x-roles"]
        for path, operation in paths.items()
        if "x-roles" in operation.get("post", {})
    }
    assert roles == {name: sorted(row.roles) for name, row in ROWS.items()}
