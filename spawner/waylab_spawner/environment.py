"""The environment of a lab's process: what it gets, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from waylab_site.accounts import Account
from waylab_site.model import Profile

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
KEPT = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE")
"""Variables of the hub's own environment that a lab may see."""

MARK = "WAYLAB_LAB"
"""Carried by every process of a lab, so that what it leaves behind can be found."""


def lab_environment(
    account: Account, profile: Profile, *, mark: str, templates: Path
) -> dict[str, str]:
    """Give what Waylab itself puts into a lab's environment; no secret is in it."""
    cores = str(profile.cpus)
    return {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "HOME": str(account.home),
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": "/bin/bash",
        "VIRTUAL_ENV": sys.prefix,
        "WAYLAB_TEMPLATES": str(templates),
        MARK: mark,
        # No lease, no GPU: neither by CUDA's own variable nor by the runtime's.
        "CUDA_VISIBLE_DEVICES": "",
        "NVIDIA_VISIBLE_DEVICES": "void",
        # A share of the machine that numeric libraries respect by themselves.
        "OMP_NUM_THREADS": cores,
        "CPU_LIMIT": cores,
        "MEM_LIMIT": str(int(profile.memory_gib * 1024**3)),
    }


def kept(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the part of the hub's own environment that a lab may see."""
    return {name: environ[name] for name in KEPT if name in environ}
