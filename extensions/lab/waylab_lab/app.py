"""Joins the routes to a Jupyter server."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.ioloop import PeriodicCallback

from waylab_lab import run_routes, starter_routes, submit_routes
from waylab_lab.base import WaylabHandler
from waylab_lab.connection import Connection
from waylab_lab.outputs import Outputs
from waylab_lab.paths import ServerRoot
from waylab_lab.renewal import Renewal
from waylab_lab.settings import OUTPUT_FOLDER, LabSettings

_RUN = r"runs/([A-Za-z0-9]{1,64})"
ROUTES: tuple[tuple[str, type[WaylabHandler]], ...] = (
    (r"queues", run_routes.QueuesHandler),
    (r"projects", run_routes.ProjectsHandler),
    (r"runs", run_routes.RunsHandler),
    (_RUN, run_routes.RunHandler),
    (_RUN + r"/log", run_routes.LogHandler),
    (_RUN + r"/scalars", run_routes.ScalarsHandler),
    (_RUN + r"/abort", run_routes.AbortHandler),
    (_RUN + r"/rerun", run_routes.RerunHandler),
    (_RUN + r"/output", run_routes.OutputHandler),
    (_RUN + r"/artifacts/(.+)", run_routes.ArtifactHandler),
    (r"parameters", submit_routes.ParametersHandler),
    (r"submit", submit_routes.SubmitHandler),
    (r"starters", starter_routes.StartersHandler),
)


def load(server_app: ServerApp) -> None:
    """Add the routes under `/waylab/api/`; a lab without credentials keeps working."""
    settings = LabSettings.from_environ(os.environ)
    if settings.credentials is None:
        server_app.log.warning("Waylab: %s", settings.credentials_problem)
    root = ServerRoot(
        Path(server_app.root_dir),
        allow_hidden=bool(server_app.contents_manager.allow_hidden),
    )
    connection = Connection(settings)
    if settings.keys_days > 0:
        renewal = Renewal(
            connection, os.environ, settings.keys_days, lambda: datetime.now(UTC)
        )
        PeriodicCallback(renewal.step, timedelta(hours=1)).start()
    shared = {
        "connection": connection,
        "root": root,
        "outputs": Outputs(root.folder / OUTPUT_FOLDER),
    }
    # The pages of JupyterLab hand this to the extension in the browser.
    pages = server_app.web_app.settings.setdefault("page_config_data", {})
    pages["waylabNotice"] = settings.notice
    pages["waylabOutputs"] = OUTPUT_FOLDER
    base = url_path_join(server_app.web_app.settings["base_url"], "waylab", "api")
    server_app.web_app.add_handlers(  # type: ignore[no-untyped-call]
        ".*$", [(f"{base}/{path}", handler, shared) for path, handler in ROUTES]
    )
