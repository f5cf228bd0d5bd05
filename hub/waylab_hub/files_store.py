"""The store that a site names for uploaded files: how it is reached, and whether."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from waylab_hub.errors import StartError

# Amazon's libraries read the first, fsspec the second.
_READ = ("AWS_", "FSSPEC_")
_SECONDS = 30.0
_UNREACHABLE = 1


def store_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give what the tracking server alone gets: how to reach the files' store.

    No lab and no job may see these: they may hold the keys of the whole store.
    """
    return {name: text for name, text in environ.items() if name.startswith(_READ)}


def store_problem(url: str, environment: Mapping[str, str]) -> str:
    """Say why files can be neither stored nor read now; empty: they can.

    `environment` is that of the tracking server. It may take half a minute.

    Raises:
        StartError: they never can, as it is declared.
    """
    settings = {
        "WAYLAB_TRACKING_STATE": "unused",
        "WAYLAB_TRACKING_FILES_STORE": url,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "waylab_tracking", "--check-files"],
            env={**environment, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"it does not answer within {_SECONDS:g} s"
    else:
        if done.returncode == 0:
            return ""
        why = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        if done.returncode != _UNREACHABLE:
            msg = f"[tracking] files of the site cannot be used: {why}"
            raise StartError(msg)
    return (
        f"The files' store {url} cannot be used now ({why}): uploads and downloads "
        "fail until it can. Look at its address and keys: docs/how-to/files-in-s3.md."
    )
