"""Waylab inside JupyterLab: submit notebooks to queues and follow their runs.

The package has two halves: a prebuilt JupyterLab extension (TypeScript, compiled into
`labextension/`) and a Jupyter server extension that answers it under `/waylab/api/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "@waylab/lab"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "waylab_lab"}]


def _load_jupyter_server_extension(server_app: ServerApp) -> None:
    # Imported here: JupyterLab reads this module to find the labextension's folder.
    from waylab_lab.app import load  # noqa: PLC0415

    load(server_app)
