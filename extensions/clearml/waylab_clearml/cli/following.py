"""Following a run on the terminal until its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from waylab_clearml.cli.connection import tell
from waylab_clearml.client import Client
from waylab_clearml.errors import Unreachable
from waylab_clearml.runs import Run, RunState, get_run, read_log

POLL_SECONDS = 1.0
OPEN_STATES = frozenset({RunState.DRAFT, RunState.QUEUED, RunState.RUNNING})
EXIT_CODES = {RunState.COMPLETED: 0, RunState.FAILED: 1, RunState.ABORTED: 3}


def follow(
    client: Client,
    run_id: str,
    *,
    show_log: bool,
    pause: Callable[[float], None] = time.sleep,
) -> Run:
    """Wait for a run's end, printing its console as it comes; give the run."""
    cursor: str | None = None
    state: RunState | None = None
    while True:
        try:
            run = get_run(client, run_id)
            if run.state is not state and run.state in OPEN_STATES:
                _tell_state(run)
            state = run.state
            if show_log:
                cursor = print_log(client, run_id, cursor)
            if run.state not in OPEN_STATES:
                return run
        except Unreachable as error:
            tell(f"waylab: {error} Still waiting; the run goes on.")
        pause(POLL_SECONDS)


def print_log(client: Client, run_id: str, cursor: str | None) -> str | None:
    """Print what the console has after a cursor; give the new one."""
    while True:
        page = read_log(client, run_id, after=cursor)
        for line in page.lines:
            sys.stdout.write(
                line.text if line.text.endswith("\n") else f"{line.text}\n"
            )
        sys.stdout.flush()
        cursor = page.cursor or cursor
        if page.complete:
            return cursor


def tell_end(run: Run) -> int:
    """Say how a run ended, and where if it failed; give the exit code."""
    detail = f" ({run.reason})" if run.reason and run.reason != run.state.value else ""
    tell(f"Run {run.id} {run.state.value}{detail}: {run.message or '-'}")
    verdict = run.verdict
    if verdict is not None and verdict.ename:
        tell(f"{verdict.ename}: {verdict.evalue or ''}")
    return EXIT_CODES.get(run.state, 1)


def _tell_state(run: Run) -> None:
    if run.state is RunState.QUEUED:
        place = f", place {run.position}" if run.position else ""
        tell(f"Waiting in queue {run.queue}{place}.")
    elif run.state is RunState.RUNNING:
        tell(f"Running on {run.worker or 'an agent'}.")
