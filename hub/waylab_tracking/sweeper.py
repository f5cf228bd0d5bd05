"""The server's own rounds: silent runs are seen to, popped tasks go back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from waylab_tracking import history, services
from waylab_tracking.database import Database, queue_figures, worker_figures
from waylab_tracking.pulse import Pulse
from waylab_tracking.services.liveness import Patience
from waylab_tracking.settings import LossRule, TrackingSettings

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
ROUNDS_IN_TIME = 8
"""So many rounds make up the shortest time of silence that counts."""
LATE_SECONDS = 5.0
"""A round that is later than this tells that nobody could be heard meanwhile."""


class Sweeper:
    """Goes round until it is cancelled; what goes wrong in a round is told."""

    def __init__(
        self, database: Database, pulse: Pulse, settings: TrackingSettings
    ) -> None:
        """Nothing is done before `run`."""
        rules: Mapping[str, LossRule] = settings.on_lost
        self._database = database
        self._pulse = pulse
        self._patience = Patience(
            silence_seconds=settings.silence_seconds,
            lost_seconds=settings.lost_seconds,
            give_up_seconds=settings.give_up_seconds,
            rules=rules,
        )
        # An open server knows the long silence only.
        self._sees_losses = not settings.strict
        shortest = min(settings.silence_seconds, settings.lost_seconds)
        self._every_seconds = min(EVERY_SECONDS, shortest / ROUNDS_IN_TIME)

    async def run(self) -> None:
        """Go round."""
        self._pulse.listen_anew()
        last = time.monotonic()
        while True:
            await asyncio.sleep(self._every_seconds)
            if time.monotonic() - last > self._every_seconds + LATE_SECONDS:
                logger.warning("The server was held up: silence is counted anew")
                self._pulse.listen_anew()
            last = time.monotonic()
            if self._sees_losses:
                await self._safely(self._see_to_jobs)
            await self._safely(self._see_to_the_rest)

    async def _safely(self, part: Callable[[], Awaitable[None]]) -> None:
        try:
            await part()
        except Exception:
            # The last boundary: whatever ended a round must not end all of them.
            logger.exception("A round failed; the next one tries again")

    async def _see_to_jobs(self) -> None:
        patience, pulse = self._patience, self._pulse
        for task in await self._database.run(
            lambda db: services.liveness.due(db, pulse, patience)
        ):
            await self._safely(partial(self._see_to, task))

    async def _see_to(self, task: str) -> None:
        patience, pulse = self._patience, self._pulse
        said = await self._database.run(
            lambda db: services.liveness.see_to(db, pulse, patience, task)
        )
        if said:
            logger.warning("%s", said)

    async def _see_to_the_rest(self) -> None:
        patience, pulse = self._patience, self._pulse
        silence = timedelta(seconds=patience.silence_seconds)
        if pulse.listened_seconds() > patience.silence_seconds:
            for task in await self._database.run(
                lambda db: services.liveness.stop_silent(db, pulse, silence)
            ):
                logger.warning("Nothing is heard of task %s: stopped", task)
        for task in await self._database.run(services.waiting.give_back_overdue):
            logger.warning("Nobody began task %s: it waits again", task)
        await self._database.run(_forget)


def _forget(db: sa.Connection) -> None:
    """Drop the figures that are older than they are kept."""
    for table in (worker_figures, queue_figures):
        history.prune(db, table, time.time())
    services.serving.forget(db, time.time())
