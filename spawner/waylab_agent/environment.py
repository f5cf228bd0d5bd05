"""What a job finds in its environment, and how `clearml-agent` is called for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waylab_agent.processes import MARK
from waylab_agent.tasks import Wishes
from waylab_engine.marks import LEASE_MARK

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
BEGIN_NAME = "begin.json"
CODE = "code"
_TOKEN_THRESHOLD_SECONDS = 600


PASSED_INTO_CONTAINERS = (
    "LANG",
    "TZ",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)
"""Those of them that mean the same in a container."""


@dataclass(frozen=True)
class Who:
    """One run of a task: its claim, worker, owner's account, and folder of files."""

    task_id: str
    claim: str
    worker: str
    user: str
    work: Path


def job_environment(  # noqa: PLR0913 - one value each, all needed
    own: Mapping[str, str],
    sdk: Mapping[str, str],
    who: Who,
    *,
    home: Path,
    devices: Sequence[str],
    lease: str,
) -> dict[str, str]:
    """Give the environment of a job's first process on this machine.

    `own` is the agent's environment, of which only `PASSED_ON` and the locale go on;
    `sdk` points the SDK at the server with the job's token. Exactly `devices` are
    visible, none if there are none. `lease` is the mark of the job's lease.
    """
    passed = {
        name: value
        for name, value in own.items()
        if name in PASSED_ON or name.startswith("LC_")
    }
    visible = ",".join(device for device in devices if _is_visible(device))
    return {
        **passed,
        **sdk,
        "HOME": str(home),
        "CUDA_VISIBLE_DEVICES": visible,
        "NVIDIA_VISIBLE_DEVICES": visible or "void",
        **_common(who),
        LEASE_MARK: lease,
    }


def container_environment(
    own: Mapping[str, str], sdk: Mapping[str, str], who: Who
) -> dict[str, str]:
    """Give the environment of a job's container; its devices are set by its plan."""
    passed = {
        name: own[name]
        for name in PASSED_INTO_CONTAINERS
        if name in own and name in PASSED_ON
    }
    return {**passed, **sdk, **_common(who)}


def _common(who: Who) -> dict[str, str]:
    return {
        "USER": who.user,
        "LOGNAME": who.user,
        "SHELL": "/bin/sh",
        "CLEARML_CONFIG_FILE": str(who.work / CONFIG_NAME),
        "CLEARML_WORKER_ID": who.worker,
        # Known answers spare a start of nvcc and nvidia-smi; only an installation
        # of packages would ask for them.
        "CLEARML_CUDA_VERSION": "0",
        "CLEARML_CUDNN_VERSION": "0",
        "PYTHONUNBUFFERED": "1",
        "WAYLAB_JOB_DIR": str(who.work),
        "WAYLAB_JOB_ID": who.task_id,
        MARK: who.claim,
    }


def _is_visible(device: str) -> bool:
    return device.startswith(("GPU-", "MIG-"))


def job_configuration(*, work: Path, cache: Path, worker: str, kind: str) -> str:
    """Give the text of the job's `clearml.conf` (HOCON, of which JSON is a part).

    It holds no secret. `cache` is a folder of the account that its jobs share; `kind`
    tells apart environments of Python that cannot be used for each other.
    """
    configuration = {
        "api": {
            # clearml-agent's default of 12 hours would renew a job's token, which
            # lives for 2, at each request.
            "auth": {"token_expiration_threshold_sec": _TOKEN_THRESHOLD_SECONDS}
        },
        "agent": {
            "worker_id": worker,
            "venvs_dir": str(work / CODE),
            # An environment is made only where the present one lacks something.
            "package_manager": {"system_site_packages": True, "pip_version": ""},
            "venvs_cache": {"max_entries": 10, "path": str(cache / "venvs" / kind)},
            "vcs_cache": {"enabled": True, "path": str(cache / "vcs")},
            "pip_download_cache": {"enabled": False, "path": str(cache / "pip")},
            "docker_pip_cache": str(cache / "pip"),
            "docker_apt_cache": str(cache / "apt"),
        },
    }
    return json.dumps(configuration, indent=1)


def begin_order(
    task_id: str, wishes: Wishes, *, work: Path, tools: Mapping[str, str] | None
) -> str:
    """Give the text of `begin.json`, of which `begin.py` makes a start.

    `tools` names the folder with a `clearml-agent` to lend, and the Python it is for.
    """
    order = {
        "task": task_id,
        "notebook": wishes.notebook,
        "repository": wishes.repository,
        "requirements": wishes.requirements,
        "environments": str(work / CODE),
        "tools": tools,
    }
    return json.dumps(order, indent=1)
