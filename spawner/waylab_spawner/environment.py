"""The environment of a lab's process: what it gets, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from waylab_site.accounts import Account
from waylab_site.model import Profile

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
KEPT = (
    *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE"),
    *_PROXIES,
)
"""Variables of the operator's environment that programs and labs may see."""

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
    """Give the part of the operator's environment that programs and labs may see.

    This machine itself is never reached through a proxy.
    """
    found = {name: environ[name] for name in KEPT if name in environ}
    if any(name in found for name in _PROXIES):
        named = environ.get("no_proxy") or environ.get("NO_PROXY")
        here = ",".join(filter(None, ("127.0.0.1,localhost", named)))
        found |= {"no_proxy": here, "NO_PROXY": here}
    return found
