"""The environment in which the official SDK acts as a given user.

The SDK (2.1) has no variable per setting. It does merge, between its own defaults
and the user's `clearml.conf`, the folder named by `CLEARML_CONFIG_PATH`: that is how
Waylab's defaults (`sdk_defaults/`) reach it while a user's own file still wins.
"""

from __future__ import annotations

from importlib.resources import files

from waylab_clearml.credentials import Credentials


def sdk_environment(credentials: Credentials) -> dict[str, str]:
    """Give the variables that point the SDK, the agent and our CLI at a server.

    The result holds secrets: hand it to a process's environment, never to its
    command line or a log.
    """
    environment = {
        "CLEARML_API_HOST": credentials.api_url,
        "CLEARML_WEB_HOST": credentials.web_url,
        "CLEARML_FILES_HOST": credentials.files_url,
        "CLEARML_API_DEFAULT_REQ_METHOD": "POST",
        "CLEARML_CONFIG_PATH": str(files("waylab_clearml") / "sdk_defaults"),
        "CLEARML_SUPPRESS_UPDATE_MESSAGE": "1",
    }
    if credentials.token:
        environment["CLEARML_AUTH_TOKEN"] = credentials.token
    if credentials.access_key and credentials.secret_key:
        environment["CLEARML_API_ACCESS_KEY"] = credentials.access_key
        environment["CLEARML_API_SECRET_KEY"] = credentials.secret_key
    return environment
