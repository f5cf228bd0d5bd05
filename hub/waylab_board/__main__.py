"""`python -m waylab_board`: serve until SIGTERM."""

from __future__ import annotations

import logging
import os
import socket
import sys

import uvicorn
from pydantic import ValidationError

from waylab_board.app import application
from waylab_board.board import make
from waylab_board.errors import ConfigurationError
from waylab_board.settings import BoardSettings
from waylab_board.stream import Stream
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
    config = uvicorn.Config(
        application(board),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        # Longer than the clients' pools keep an idle connection for the next call.
        timeout_keep_alive=120,
        timeout_graceful_shutdown=2,
    )
    _Server(config, board.stream).run()
    return 0


class _Server(uvicorn.Server):
    """Ends the streams before it waits for its connections."""

    def __init__(self, config: uvicorn.Config, stream: Stream) -> None:
        super().__init__(config)
        self._stream = stream

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stream.close()
        await super().shutdown(sockets)


if __name__ == "__main__":
    sys.exit(main())
