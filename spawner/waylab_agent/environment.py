"""What a job finds in its environment, and how `clearml-agent` is called for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from waylab_agent.processes import MARK

PASSED_ON = (
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "PATH",
    "TZ",
    "VIRTUAL_ENV",
    # Ways out of the machine, and whom to trust on it.
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
"""Variables of the agent that a job gets too; all others stay behind."""

CONFIG_NAME = "clearml.conf"
_TOKEN_THRESHOLD_SECONDS = 600


def job_environment(  # noqa: PLR0913 - one value each, all needed
    own: Mapping[str, str],
    sdk: Mapping[str, str],
    *,
    task_id: str,
    claim: str,
    worker: str,
    user: str,
    home: Path,
    work: Path,
    devices: Sequence[str],
) -> dict[str, str]:
    """Give the environment of a job's first process.

    `own` is the agent's environment, of which only `PASSED_ON` and the locale go on;
    `sdk` points the SDK at the server with the job's token. Exactly `devices` are
    visible, none if there are none.
    """
    passed = {
        name: value
        for name, value in own.items()
        if name in PASSED_ON or name.startswith("LC_")
    }
    visible = ",".join(devices)
    return {
        **passed,
        **sdk,
        "HOME": str(home),
        "USER": user,
        "LOGNAME": user,
        "SHELL": "/bin/sh",
        "CUDA_VISIBLE_DEVICES": visible,
        "NVIDIA_VISIBLE_DEVICES": visible or "void",
        "CLEARML_CONFIG_FILE": str(work / CONFIG_NAME),
        "CLEARML_WORKER_ID": worker,
        # The environment is the current one: nothing is installed for a job.
        "CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL": "1",
        # Known answers spare a start of nvcc and nvidia-smi; only an installation
        # of packages would ask for them.
        "CLEARML_CUDA_VERSION": "0",
        "CLEARML_CUDNN_VERSION": "0",
        "PYTHONUNBUFFERED": "1",
        "WAYLAB_JOB_DIR": str(work),
        "WAYLAB_JOB_ID": task_id,
        MARK: claim,
    }


def job_configuration(*, work: Path, cache: Path, worker: str) -> str:
    """Give the text of the job's `clearml.conf` (HOCON, of which JSON is a part).

    It holds no secret. `cache` is a folder of the account that its jobs share.
    """
    configuration = {
        "api": {
            # clearml-agent's default of 12 hours would renew a job's token, which
            # lives for 2, at each request.
            "auth": {"token_expiration_threshold_sec": _TOKEN_THRESHOLD_SECONDS}
        },
        "agent": {
            "worker_id": worker,
            "venvs_dir": str(work / "code"),
            "vcs_cache": {"enabled": True, "path": str(cache / "vcs")},
            "pip_download_cache": {"enabled": False, "path": str(cache / "pip")},
            "docker_pip_cache": str(cache / "pip"),
            "docker_apt_cache": str(cache / "apt"),
        },
    }
    return json.dumps(configuration, indent=1)


def job_command(python: str, task_id: str, *, repository: bool) -> tuple[str, ...]:
    """Give the command line of the official agent for one task.

    Its own monitoring is off: it becomes the task's script (exec), whose output and
    status are watched from here, where they outlive a restart. Standalone mode is
    without network, so a task with a repository, which must be fetched, does without.
    """
    return (
        python,
        "-m",
        "clearml_agent",
        "execute",
        "--disable-monitoring",
        *(() if repository else ("--standalone-mode",)),
        "--id",
        task_id,
    )
