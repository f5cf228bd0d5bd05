"""What a machine must have for simulated nodes."""

from __future__ import annotations

import os
import shutil

from waylab_rig import standins

SBIN = "/usr/sbin:/sbin"


def requirements() -> str | None:
    """Say in one sentence what is missing here, with the remedy; None if nothing is."""
    if os.geteuid() != 0:
        return (
            "Simulated nodes need root, as they start a container engine of their own."
        )
    missing = [
        name for name in ("dockerd", "containerd", "runc", "ip") if not find(name)
    ]
    if missing:
        return (
            f"Simulated nodes need {' and '.join(missing)}: run "
            "hub/install/engine.sh, or install docker.io and iproute2."
        )
    if standins.compiler() is None:
        return (
            "Simulated nodes need a C compiler: run hub/install/engine.sh, or "
            "install gcc and libc6-dev."
        )
    return None


def find(program: str) -> str | None:
    """Find a program, also where only root's PATH looks."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
