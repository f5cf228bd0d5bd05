"""`python -m waylab_board`: serve until SIGTERM."""

from __future__ import annotations

import logging
import os
import sys

import uvicorn
from pydantic import ValidationError

from waylab_board.app import application
from waylab_board.board import make
from waylab_board.errors import ConfigurationError
from waylab_board.settings import BoardSettings
from waylab_ledger.errors import LedgerError
from waylab_site.errors import StateError


def main() -> int:
    """Read the settings and serve; 2 and a sentence if they cannot be used."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for quiet in ("alembic", "httpx"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    # The ledger and the tokens are for the board alone to read.
    os.umask(0o077)
    try:
        settings = BoardSettings()
    except ValidationError as error:
        for one in error.errors():
            name = "WAYLAB_BOARD_" + "_".join(map(str, one["loc"])).upper()
            sys.stderr.write(f"{name}: {one['msg']}.\n")
        return 2
    try:
        board = make(settings)
    except (ConfigurationError, LedgerError, StateError, OSError) as error:
        sys.stderr.write(f"The board cannot start: {error}\n")
        return 2
    uvicorn.run(
        application(board),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        # Longer than the clients' pools keep an idle connection for the next call.
        timeout_keep_alive=120,
        # Streams end with the board.
        timeout_graceful_shutdown=2,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
