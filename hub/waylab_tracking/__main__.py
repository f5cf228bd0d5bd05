"""`python -m waylab_tracking`: serve until SIGTERM."""

from __future__ import annotations

import logging
import sys

import uvicorn
from pydantic import ValidationError

from waylab_tracking.settings import TrackingSettings


def main() -> int:
    """Read the settings and serve."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        settings = TrackingSettings()
    except ValidationError as error:
        for one in error.errors():
            name = "WAYLAB_TRACKING_" + "_".join(map(str, one["loc"])).upper()
            sys.stderr.write(f"{name}: {one['msg']}.\n")
        return 2
    from waylab_tracking.app import Server  # noqa: PLC0415 - after the settings

    uvicorn.run(
        Server(settings).app(settings.prefix),
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
