"""`python -m waylab_agent`: run the agent of one node."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Mapping

from waylab_agent.agent import Agent
from waylab_agent.assembly import assembled
from waylab_agent.errors import AgentError
from waylab_agent.journal import Journal
from waylab_agent.settings import AgentSettings, read_settings
from waylab_clearml.errors import CredentialsError
from waylab_site.errors import SiteError
from waylab_site.lock import Lock

logger = logging.getLogger(__name__)

_STOP_TURN_SECONDS = 0.2
_SETTLE_SECONDS = 8.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def main(environment: Mapping[str, str] | None = None) -> int:
    """Run until SIGTERM (jobs go on) or SIGINT (jobs are aborted first).

    `environment` holds settings for those variables that are not set.
    """
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Signals are waited for (`sigtimedwait`), never handled in the middle of a step.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        settings = read_settings(environment)
        journal = Journal(settings.state)
        with Lock("The agent", settings.state / "agent.lock"):
            _serve(settings, journal)
    except (AgentError, CredentialsError, SiteError) as error:
        sys.stderr.write(f"waylab_agent: {error}\n")
        return 1
    return 0


def _serve(settings: AgentSettings, journal: Journal) -> None:
    with assembled(settings, journal) as agent:
        agent.recover()
        logger.info("Serving node %s", settings.node)
        while (number := _next_signal(settings.poll_seconds)) is None:
            agent.turn()
        if number == signal.SIGINT:
            logger.info("Told to stop: aborting all jobs")
            _abort_all(agent, settings.grace_seconds + _SETTLE_SECONDS)
        agent.leave()


def _abort_all(agent: Agent, within_seconds: float) -> None:
    """End all jobs; what the server did not hear in time is settled at a next start."""
    deadline = time.monotonic() + within_seconds
    agent.stop_all()
    while not agent.is_idle and time.monotonic() < deadline:
        agent.turn(accept=False)
        if _next_signal(_STOP_TURN_SECONDS) == signal.SIGTERM:
            return


def _next_signal(timeout_seconds: float) -> int | None:
    """Wait for SIGTERM or SIGINT; None when the time is up or a child has ended."""
    info = signal.sigtimedwait(_SIGNALS, timeout_seconds)
    if info is None or info.si_signo == signal.SIGCHLD:
        return None
    return info.si_signo


if __name__ == "__main__":
    sys.exit(main())
