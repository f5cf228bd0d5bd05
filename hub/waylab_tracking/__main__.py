"""`python -m waylab_tracking`: serve until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import sys

import sqlalchemy as sa
import uvicorn
from pydantic import ValidationError

from waylab_tracking.app import Server
from waylab_tracking.recording import Recorder
from waylab_tracking.settings import TrackingSettings


def main() -> int:
    """Read the settings and serve.

    Ends with 2 and one sentence if the settings or the state folder cannot be used.
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
    if given.parse_args().strict:
        os.environ["WAYLAB_TRACKING_STRICT"] = "true"
    try:
        settings = TrackingSettings()
    except ValidationError as error:
        for one in error.errors():
            name = "WAYLAB_TRACKING_" + "_".join(map(str, one["loc"])).upper()
            sys.stderr.write(f"{name}: {one['msg']}.\n")
        return 2
    try:
        app = Server(settings).app(settings.prefix)
        if settings.record is not None:
            app = Recorder(app, settings.record)
    except (OSError, ValueError, sa.exc.DatabaseError) as error:
        reason = getattr(error, "orig", None) or error
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


if __name__ == "__main__":
    sys.exit(main())
