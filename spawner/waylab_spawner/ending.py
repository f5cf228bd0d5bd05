"""The end of a lab: no device is freed before it is certain that nothing uses it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from waylab_ledger.values import Proof, ProofKind
from waylab_spawner.desk import Desk
from waylab_spawner.order import Ended, Unknown
from waylab_spawner.place import Lab

_log = logging.getLogger(__name__)


@dataclass
class Ending:
    """One lab's end, and that of its lease; may be attempted again and again."""

    desk: Desk
    name: str
    lab: Lab | None
    lease: str
    reason: str
    grace_seconds: float
    proof: Proof | None = None
    _announced: bool = False
    _freed: bool = False

    async def finish(self) -> None:
        """End the lab now, or else go on trying behind the scenes.

        Until there is a proof, the lease is lost, not free.
        """
        try:
            done = await self.attempt()
        except BaseException:
            self.desk.persist(self.attempt, f"{self.name} has ended")
            raise
        if not done:
            self.desk.persist(self.attempt, f"{self.name} has ended")

    async def attempt(self) -> bool:
        """Try once; True if nothing is left to do."""
        if self.proof is None and not self._announced:
            # What has ended by itself is not asked to: whose turn was cut off by a
            # crash keeps it only if nobody wanted that end.
            self.proof = await self._has_ended()
        if self.lease and self.proof is None and not self._announced:
            self._announced = await self.desk.releasing(self.lease, self.reason)
        if self.proof is None:
            self.proof = await self._prove()
            self.grace_seconds = 0.0
        if self.proof is None:
            return False
        if self.lease and not self._freed:
            self._freed = await self.desk.release(self.lease, self.proof)
            if not self._freed:
                return False
        return self.lab is None or await self.lab.clear_away()

    async def _has_ended(self) -> Proof | None:
        if self.lab is None:
            return None
        seen = await self.lab.look()
        return seen.proof if isinstance(seen, Ended) else None

    async def _prove(self) -> Proof | None:
        if self.lab is None:
            return Proof(ProofKind.NEVER_STARTED, by="hub")
        seen = await self.lab.end(self.grace_seconds)
        if isinstance(seen, Ended):
            return seen.proof
        reason = seen.reason if isinstance(seen, Unknown) else "the lab does not end"
        _log.error("Whether %s has ended is not certain: %s.", self.name, reason)
        if self.lease:
            await self.desk.lose(self.lease, reason)
        return None
