from __future__ import annotations

from pathlib import Path

import pytest
from tests.waylab_lab.rig import credentials, environment, running_lab

from waylab_lab.paths import PathError, ServerRoot
from waylab_lab.settings import LabSettings
from waylab_tracking.testing import running_server


def test_a_lab_without_credentials_says_what_is_missing(tmp_path: Path) -> None:
    with running_lab(tmp_path, {}) as lab:
        answer = lab.request("GET", "runs")
        assert (answer.status_code, answer.json()["code"]) == (503, "not-configured")
        assert "CLEARML_API_HOST is not set" in answer.json()["message"]
        assert lab.request("GET", "starters").status_code == 200


def test_a_lab_outlives_a_restart_of_the_tracking_server(tmp_path: Path) -> None:
    with running_server(tmp_path / "tracking") as server:
        given = {
            **environment(credentials(server, "ada")),
        }
        with running_lab(tmp_path / "lab", given) as lab:
            assert lab.get("runs")["total"] == 0
            server.restart()
            assert lab.get("runs")["total"] == 0


def test_settings_keep_no_secret_in_their_text() -> None:
    settings = LabSettings.from_environ(
        {
            "CLEARML_API_HOST": "http://127.0.0.1:1",
            "CLEARML_API_ACCESS_KEY": "access",
            "CLEARML_API_SECRET_KEY": "very secret",
            "WAYLAB_TEMPLATES": "/opt/templates",
        }
    )
    assert settings.starters == Path("/opt/templates/notebooks")
    assert "very secret" not in repr(settings)


@pytest.mark.parametrize(
    "path", ["..", "a/../../b", "../x", "a\0b", ".ssh/id", "a/.env"]
)
def test_the_root_keeps_paths_inside(tmp_path: Path, path: str) -> None:
    with pytest.raises(PathError):
        ServerRoot(tmp_path).resolve(path)


def test_a_contents_path_leads_there_and_back(tmp_path: Path) -> None:
    root = ServerRoot(tmp_path)
    path = root.resolve("/work/a{b} 100%.ipynb")
    assert path == tmp_path.resolve() / "work" / "a{b} 100%.ipynb"
    assert root.contents_path(path) == "work/a{b} 100%.ipynb"
