"""`python -m waylab_tracking`: serve until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import sys

import sqlalchemy as sa
import uvicorn
from pydantic import ValidationError

from waylab_tracking import moving
from waylab_tracking.app import Server
from waylab_tracking.recording import Recorder
from waylab_tracking.settings import TrackingSettings
from waylab_tracking.stores import open_store


def main() -> int:
    """Read the settings and serve.

    Ends with 2 and one sentence if the settings or the state folder cannot be used.
    With `--check-files` or `--fill-database`, does that and ends.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for quiet in ("alembic", "httpx"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    # What users store is for the server alone to read.
    os.umask(0o077)
    given = argparse.ArgumentParser(prog="waylab_tracking")
    given.add_argument(
        "--strict", action="store_true", help="Be as an open ClearML Server is."
    )
    given.add_argument(
        "--check-files",
        action="store_true",
        help="Only say whether the files' store can be used (0), cannot be reached "
        "now (1), or cannot be used as it is declared (2).",
    )
    given.add_argument(
        "--fill-database",
        action="store_true",
        help="Only copy the state folder's database into the one of PostgreSQL.",
    )
    chosen = given.parse_args()
    if chosen.strict:
        os.environ["WAYLAB_TRACKING_STRICT"] = "true"
    try:
        settings = TrackingSettings()
    except ValidationError as error:
        for one in error.errors():
            name = "WAYLAB_TRACKING_" + "_".join(map(str, one["loc"])).upper()
            sys.stderr.write(f"{name}: {one['msg']}.\n")
        return 2
    if chosen.check_files:
        return _check_files(settings)
    try:
        if chosen.fill_database:
            sys.stdout.write(f"{moving.fill(settings)}\n")
            return 0
        app = Server(settings).app(settings.prefix)
        if settings.record is not None:
            app = Recorder(app, settings.record)
    except (OSError, ValueError, sa.exc.DatabaseError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        sys.stderr.write(f"The state in {settings.state} cannot be used: {reason}.\n")
        return 2
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        # Longer than the clients' pools keep an idle connection for the next call.
        timeout_keep_alive=120,
        timeout_graceful_shutdown=5,
    )
    return 0


def _check_files(settings: TrackingSettings) -> int:
    try:
        store = open_store(settings.files_store, settings.state / "files")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if problem := store.problem():
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
