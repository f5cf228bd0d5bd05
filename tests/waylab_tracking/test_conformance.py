"""The checks that all tests make of what tracking servers are asked and answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.waylab_tracking.conformance import Checker
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Exchange, Records, running_server


def exchange(endpoint: str, data: Any) -> Exchange:
    return Exchange(endpoint, "", "{}", 200, data)


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
