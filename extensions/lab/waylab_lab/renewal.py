"""A lab that runs for long exchanges its keys: kernels started later have the new."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from datetime import datetime, timedelta

from waylab_clearml import keys
from waylab_clearml.environment import sdk_environment
from waylab_clearml.errors import ClearMLError
from waylab_lab.connection import Connection

_log = logging.getLogger(__name__)


class Renewal:
    """Renews the keys of `connection` once they are `days` old.

    What began before goes on with the keys that it has: the server takes these until
    the renewal after the next one.
    """

    def __init__(
        self,
        connection: Connection,
        environ: MutableMapping[str, str],
        days: float,
        now: Callable[[], datetime],
    ) -> None:
        """Take the keys as made now, as they are when a lab starts."""
        self._connection = connection
        self._environ = environ
        self._age = timedelta(days=days)
        self._now = now
        self._made = now()

    async def step(self) -> bool:
        """Renew the keys if it is time; tell whether it was done.

        A failure is told in the log, and the next step tries again.
        """
        moment = self._now()
        if moment - self._made < self._age:
            return False
        try:
            fresh = await self._connection.glance(keys.renew)
        except ClearMLError as error:
            _log.warning("The keys for ClearML are not renewed yet: %s", error)
            return False
        self._environ.update(sdk_environment(fresh))
        self._connection.use(fresh)
        self._made = moment
        _log.info("The keys for ClearML were renewed.")
        return True
