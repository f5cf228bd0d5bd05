"""The checks that all tests make of what tracking servers are asked and answer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.waylab_tracking import departures
from tests.waylab_tracking.conformance import Checker
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Exchange, Records, running_server

SDK, AGENT = "clearml-2.1.12", "agent-api-3.0.3"


def exchange(
    endpoint: str, data: Any = None, client: str = "", **asked: Any
) -> Exchange:
    return Exchange(endpoint, client, json.dumps(asked), 200, data)


@pytest.mark.parametrize(
    ("endpoint", "data"),
    [
        ("tasks.get_all", {"tasks": [{"id": "a", "status": "finished"}]}),
        ("tasks.get_all", {"tasks": [{"id": "a", "no_such_field": 1}]}),
        ("tasks.get_all_ex", {"tasks": [{"id": 1}]}),
        ("users.get_current_user", {"user": {"id": "a"}}),
        ("workers.get_count", {"count": "1"}),
        ("events.scalar_metrics_iter_histogram", {"m": {"v": {"x": [1]}}}),
    ],
)
def test_an_answer_of_another_shape_is_found(endpoint: str, data: Any) -> None:
    assert Checker().violations([exchange(endpoint, data)])


def test_what_was_good_once_does_not_hide_what_is_bad_later() -> None:
    checker = Checker()
    statuses = ("created", "finished", "completed")
    found = [
        checker.violations(
            [exchange("tasks.get_all", {"tasks": [{"id": "a", "status": status}]})]
        )
        for status in statuses
    ]
    assert [bool(one) for one in found] == [False, True, False]


def test_a_request_that_departs_from_its_schema_is_told() -> None:
    asked = {"task": "a", "novelty": 1, "method": "get"}
    found = departures.Requests().departures(
        [
            exchange("tasks.get_by_id", client=SDK, **asked),
            exchange("tasks.get_by_id", client="", other_novelty=1),
            exchange("workers.status_report", client=AGENT, worker=1, timestamp=1),
            exchange("tasks.get_hyper_params", client=SDK),
        ]
    )
    assert found == {
        departures.Departure("sdk", "*", "method", "unknown"),
        departures.Departure("sdk", "tasks.get_by_id", "novelty", "unknown"),
        departures.Departure("agent", "workers.status_report", "worker", "type int"),
        departures.Departure("sdk", "tasks.get_hyper_params", "tasks", "missing"),
    }


def test_the_reference_lists_the_departures_that_are_known(
    request: pytest.FixtureRequest,
) -> None:
    page = request.config.rootpath / "docs" / "reference" / "clearml-clients.md"

    told = page.read_text("utf-8")

    assert told == departures.page(), "run python -m tests.waylab_tracking.departures"


def test_every_server_of_a_test_is_recorded_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "WAYLAB_TRACKING_RECORD" in os.environ
    # Servers of other tests may still run and record where the variable said.
    folder = tmp_path / "records"
    folder.mkdir()
    monkeypatch.setenv("WAYLAB_TRACKING_RECORD", str(folder))
    records = Records(folder)

    with running_server(tmp_path) as server:
        Door(server, server.create_user("ann")).close()
        seen = list(records.fresh())

    assert {"auth.login", "waylab.ensure_user"} <= {one.endpoint for one in seen}
    logins = [one.data for one in seen if one.endpoint == "auth.login"]
    assert {"token": "left out"} in logins
    assert list(records.fresh()) == []
