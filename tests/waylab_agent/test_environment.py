from __future__ import annotations

import json
from pathlib import Path

from waylab_agent.environment import job_command, job_configuration, job_environment

OWN = {
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
    "HTTPS_PROXY": "http://proxy",
    "HOME": "/root",
    "WAYLAB_AGENT_KEY_FILE": "/secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "PYTHONPATH": "/elsewhere",
}
SDK = {"CLEARML_API_HOST": "http://h", "CLEARML_AUTH_TOKEN": "token"}


def environment(*devices: str) -> dict[str, str]:
    return job_environment(
        OWN,
        SDK,
        task_id="t1",
        claim="c",
        worker="n1:gpu0",
        user="waylab-ada",
        home=Path("/homes/ada"),
        work=Path("/homes/ada/.cache/waylab/jobs/t1"),
        devices=devices,
    )


def test_only_what_a_job_may_have_goes_on() -> None:
    result = environment()
    assert {name for name in OWN if result.get(name) == OWN[name]} == {
        "PATH",
        "LC_ALL",
        "HTTPS_PROXY",
    }
    assert result["HOME"] == "/homes/ada"
    assert SDK.items() <= result.items()


def test_exactly_the_granted_devices_are_visible() -> None:
    with_devices = environment("GPU-a", "GPU-b")
    assert with_devices["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-b"
    assert with_devices["NVIDIA_VISIBLE_DEVICES"] == "GPU-a,GPU-b"
    without = environment()
    assert without["CUDA_VISIBLE_DEVICES"] == ""
    assert without["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_the_configuration_holds_no_secret_and_keeps_to_the_job() -> None:
    work = Path("/w")
    text = job_configuration(work=work, cache=Path("/c"), worker="n1:gpu0")
    agent = json.loads(text)["agent"]
    assert agent["venvs_dir"] == "/w/code"
    assert agent["vcs_cache"]["path"] == "/c/vcs"
    assert "token_expiration_threshold_sec" in text
    assert SDK["CLEARML_API_HOST"] not in text


def test_a_task_with_a_repository_may_use_the_network() -> None:
    assert "--standalone-mode" in job_command("python", "t1", repository=False)
    assert "--standalone-mode" not in job_command("python", "t1", repository=True)
    assert job_command("python", "t1", repository=True)[-2:] == ("--id", "t1")
