"""`waylab up`: from the state folder to a running Waylab, and to its end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from waylab_hub.errors import StartError
from waylab_hub.preparation import Prepared, prepare
from waylab_hub.running import Running, Say
from waylab_hub.settings import Environment
from waylab_site.errors import AlreadyRunningError
from waylab_site.state import State, barrier


def up(
    root: Path, environment: Environment, say: Say, site_file: Path | None = None
) -> None:
    """Run Waylab until SIGINT, SIGTERM or SIGHUP.

    Raises:
        HubError, SiteError, SpawnerError: it cannot start; the text is the reason
            and the remedy.
    """
    state = State.open(root)
    try:
        lock = state.lock("supervisor").acquire()
    except AlreadyRunningError as error:
        holder = f" (process {error.pid})" if error.pid else ""
        msg = (
            f"Waylab runs already{holder} with the state folder {root}: stop that one "
            "with Ctrl-C, or name another folder in WAYLAB_HOME."
        )
        raise StartError(msg) from error
    try:
        prepared = prepare(state, environment, site_file)
        if not state.homes.is_relative_to(state.root):
            say(
                f"Homes are in {state.homes}, as {barrier(root.parent)} is closed to "
                "the users' own accounts."
            )
        asyncio.run(_run(prepared, say))
    finally:
        lock.release()


async def _run(prepared: Prepared, say: Say) -> None:
    running = Running(prepared, say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, running.stop)
    await running.run()
