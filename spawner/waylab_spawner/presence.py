"""Which process of the hub this is, and telling the board so.

The board believes an earlier process dead as soon as it hears of a new one: only then
can it free what that one had been granted and never started.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from uuid import uuid4

from waylab_ledger.client import BoardClient
from waylab_ledger.errors import LedgerError

_log = logging.getLogger(__name__)

EPOCH = uuid4().hex
"""This process, among all that are and were the hub."""

_RETRY_SECONDS = 2.0
_announcing: set[asyncio.Task[None]] = set()


def announce(board_url: str, token_file: Path) -> None:
    """Tell the board of this process as soon as it answers.

    The hub's configuration calls it: labs may come much later, or never. It needs the
    hub's running loop, and holds nothing up.
    """
    task = asyncio.get_running_loop().create_task(_announce(board_url, token_file))
    # The loop itself keeps only a weak reference.
    _announcing.add(task)
    task.add_done_callback(_announcing.discard)


async def _announce(board_url: str, token_file: Path) -> None:
    token = (await asyncio.to_thread(token_file.read_text, "utf-8")).strip()
    async with BoardClient(board_url, token) as board:
        while True:
            try:
                await board.epoch(EPOCH)
            except LedgerError as error:
                _log.info("The board hears of this hub later: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return
