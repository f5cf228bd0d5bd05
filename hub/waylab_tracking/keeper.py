"""Removes what the site's rules no longer keep of old runs, bit by bit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from waylab_tracking import file_rights
from waylab_tracking.database import Database
from waylab_tracking.errors import ApiError
from waylab_tracking.files import FileServer
from waylab_tracking.identity import Identity
from waylab_tracking.services import retention
from waylab_tracking.services.retention import Due
from waylab_tracking.settings import Retention

logger = logging.getLogger(__name__)

FIRST_SECONDS = 300.0
EVERY_SECONDS = 3600.0
REMOVED_A_ROUND = 500
FILES_A_ROUND = 20_000
FILES_AT_ONCE = 200
REST = 9.0
"""So many times longer than it works, it rests: others come first."""
JUMP_SECONDS = 60.0


def utc_now() -> datetime:
    """Give the time now."""
    return datetime.now(UTC)


class Keeper:
    """Goes round until it is cancelled; what goes wrong in a round is told."""

    def __init__(
        self,
        database: Database,
        files: FileServer,
        identity: Identity,
        rules: Retention,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Nothing is done before `run`."""
        self._database = database
        self._files = files
        self._identity = identity
        self._rules = rules
        self._clock = clock

    async def run(self) -> None:
        """Go round."""
        wait = FIRST_SECONDS
        while True:
            began, at = time.monotonic(), self._clock()
            await asyncio.sleep(wait)
            wait = EVERY_SECONDS
            passed = (self._clock() - at).total_seconds()
            if abs(passed - (time.monotonic() - began)) > JUMP_SECONDS:
                logger.warning("The clock was set: nothing is removed this time")
                continue
            try:
                await self.round()
            except Exception:
                # The last boundary: what ended a round must not end all of them.
                logger.exception("A round of removals failed; the next one tries again")

    async def round(self) -> int:
        """Remove what is due, as much as goes in one round; say of how many runs."""
        at, count = self._clock(), 0
        every = await self._database.read(lambda db: retention.due(db, self._rules, at))
        for one in every:
            if count == REMOVED_A_ROUND:
                logger.info("More is due: the next round goes on")
                break
            began = time.monotonic()
            count += await self._remove(one, at)
            await _rest(began)
        await self._delete_files()
        return count

    async def _remove(self, one: Due, at: datetime) -> bool:
        if await self._database.read(partial(retention.kept_by, one=one)):
            return False
        done = await self._database.run(
            lambda db: retention.remove(db, self._identity, one, at)
        )
        if done:
            logger.info(
                "Removed the %s of %s (%s): nothing was changed since %s",
                *(one.part.value, one.task, one.name, one.last_update),
            )
        return done

    async def _delete_files(self) -> None:
        """Delete the files that became nobody's, in this round or before a crash."""
        left = FILES_A_ROUND
        while left > 0:
            keys = await self._database.read(
                lambda db: file_rights.abandoned(db, FILES_AT_ONCE)
            )
            for key in keys:
                began = time.monotonic()
                try:
                    await self._files.discard(key)
                except (ApiError, OSError) as error:
                    logger.warning("%s is not deleted yet: %s", key, error)
                    return
                await _rest(began)
            left -= len(keys)
            if len(keys) < FILES_AT_ONCE:
                return


async def _rest(began: float) -> None:
    await asyncio.sleep(REST * (time.monotonic() - began))
