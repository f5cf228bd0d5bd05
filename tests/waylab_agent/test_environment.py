from __future__ import annotations

import json
from pathlib import Path

from waylab_agent.environment import (
    Who,
    begin_order,
    container_environment,
    job_configuration,
    job_environment,
)
from waylab_agent.tasks import Wishes

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


WHO = Who("t1", "c", "n1:gpu0", "waylab-ada", Path("/homes/ada/.cache/jobs/t1"))


def environment(*devices: str) -> dict[str, str]:
    return job_environment(
        OWN, SDK, WHO, home=Path("/homes/ada"), devices=devices, lease="mark"
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
    for without in (environment(), environment("cpu:n1:0")):
        assert without["CUDA_VISIBLE_DEVICES"] == ""
        assert without["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_a_container_gets_nothing_that_means_this_machine() -> None:
    result = container_environment(OWN, SDK, WHO)
    assert {name for name in OWN if name in result} == {"HTTPS_PROXY"}
    assert SDK.items() <= result.items()


def test_the_configuration_holds_no_secret_and_keeps_to_the_job() -> None:
    work = Path("/w")
    text = job_configuration(work=work, cache=Path("/c"), worker="n1:gpu0", kind="i")
    agent = json.loads(text)["agent"]
    assert agent["venvs_dir"] == "/w/code"
    assert agent["vcs_cache"]["path"] == "/c/vcs"
    assert "token_expiration_threshold_sec" in text
    assert SDK["CLEARML_API_HOST"] not in text


def test_the_start_knows_what_the_task_needs() -> None:
    wishes = Wishes(repository=True, requirements="numpy==2.0")
    order = json.loads(begin_order("t1", wishes, work=Path("/w"), tools=None))
    assert order == {
        "task": "t1",
        "notebook": False,
        "repository": True,
        "requirements": "numpy==2.0",
        "environments": "/w/code",
        "tools": None,
    }
