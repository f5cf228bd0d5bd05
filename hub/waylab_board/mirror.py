"""The line of the queues: every queued task of a served queue has a ticket."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping

from waylab_board.books import Books
from waylab_board.choices import can_ever_fit
from waylab_board.hub import Hub
from waylab_board.offers import offer_of
from waylab_board.queues import Queues
from waylab_board.shown import wants
from waylab_board.troubles import Troubles
from waylab_board.wants import Entry, WantsError, nodes_of, request_of
from waylab_clearml.errors import ClearMLError
from waylab_clearml.options import OPTION_SECTION, WISHES
from waylab_clearml.verdict import Reason
from waylab_ledger.values import DeviceKind, Request
from waylab_ledger.views import Snapshot
from waylab_site.model import SERVICES_QUEUE, Site

_log = logging.getLogger(__name__)
ABOUT = "tracking"
HOPELESS_SECONDS = 30.0
"""A GPU that is away for a moment fails nobody's job."""
_PARAMETERS = ", ".join(f"{OPTION_SECTION}/{name}" for name in WISHES)


class Mirror:
    """Carries the queues into the ledger, each second or when hinted."""

    def __init__(  # noqa: PLR0913 - the parts that it joins.
        self,
        site: Site,
        books: Books,
        queues: Queues,
        hub: Hub,
        troubles: Troubles,
        *,
        seconds: float,
    ) -> None:
        """Nothing is read before `run`."""
        self._site = site
        self._books = books
        self._queues = queues
        self._hub = hub
        self._troubles = troubles
        self._seconds = seconds
        self._hinted = asyncio.Event()
        self._last: dict[str, tuple[Request, ...]] = {}
        self._with_gpus: frozenset[str] = frozenset()
        self._hopeless_since: dict[str, float] = {}
        served = [queue.name for queue in site.queues]
        self.served = tuple(dict.fromkeys([*served, SERVICES_QUEUE]))

    def hint(self) -> None:
        """Look at once."""
        self._hinted.set()

    async def run(self) -> None:
        """Mirror until cancelled."""
        while True:
            self._hinted.clear()
            await self.once()
            try:
                await asyncio.wait_for(self._hinted.wait(), self._seconds)
            except TimeoutError:
                continue

    async def once(self) -> None:
        """Look at the queues once and tell the ledger what changed."""
        try:
            found = await asyncio.to_thread(self._queues.look, self.served)
        except ClearMLError as error:
            sentence = (
                f"The queues cannot be read: {error} Jobs that wait go on waiting."
            )
            self._troubles.begin(ABOUT, sentence)
            return
        self._troubles.end(ABOUT)
        snapshot = await self._books.snapshot()
        for queue, entries in found.items():
            await self._carry(queue, entries, snapshot)
        await self._publish()

    async def _publish(self) -> None:
        """Tell those who submit what is free now."""
        snapshot = await self._books.snapshot()
        offers = {
            queue: offer_of(queue, self._site, snapshot, self._with_gpus)
            for queue in self.served
        }
        try:
            await asyncio.to_thread(self._queues.publish, offers)
        except ClearMLError as error:
            _log.debug("What is free is not told: %s", error)

    async def _carry(
        self, queue: str, entries: tuple[Entry, ...], snapshot: Snapshot
    ) -> None:
        # A node that lost its GPUs for a moment does not become one without any.
        self._with_gpus |= nodes_with_gpus(self._site, snapshot)
        for entry in entries:
            if entry.refusal:
                await self._refuse(entry, queue, entry.refusal, Reason.START_FAILED)
        entries = tuple(one for one in entries if not one.refusal)
        users = sorted({one.user for one in entries})
        found = await asyncio.gather(*(self._hub.groups(user) for user in users))
        groups = dict(zip(users, found, strict=True))
        requests = []
        for entry in entries:
            if unknown := self._unknown(entry, queue, snapshot):
                self._troubles.begin(f"queue {queue}", unknown)
                return
            try:
                request = request_of(
                    entry, queue, self._site, self._with_gpus, groups[entry.user]
                )
            except WantsError as error:
                await self._refuse(entry, queue, str(error))
                continue
            if self._is_hopeless(request, snapshot):
                await self._refuse(entry, queue, _hopeless(request, snapshot))
                continue
            requests.append(request)
        self._troubles.end(f"queue {queue}")
        wanted = tuple(requests)
        if self._is_carried(queue, wanted, snapshot):
            return
        await self._books.write(
            "mirror", lambda ledger, now: ledger.mirror(queue, wanted, now)
        )
        self._last[queue] = wanted

    def _is_carried(
        self, queue: str, wanted: tuple[Request, ...], snapshot: Snapshot
    ) -> bool:
        """Tell whether the ledger knows it all: what is told twice costs a write."""
        if self._last.get(queue) != wanted:
            return False
        open_ = {
            one.request.holder.text
            for one in snapshot.tickets
            if one.request.queue == queue
        }
        leased = {one.request.holder.text for one in snapshot.leases}
        holders = {one.holder.text for one in wanted}
        return open_ <= holders <= open_ | leased

    def _unknown(self, entry: Entry, queue: str, snapshot: Snapshot) -> str:
        """Say what must be known before the queue's default means something."""
        if queue == SERVICES_QUEUE or entry.parameters.get("gpus"):
            return ""
        declared = next((one for one in self._site.queues if one.name == queue), None)
        if declared is None or declared.gpus is not None:
            return ""
        nodes = nodes_of(queue, self._site) or tuple(n.name for n in self._site.nodes)
        seen = {one.name for one in snapshot.nodes if one.last_seen is not None}
        open_nodes = [
            node.name
            for node in self._site.nodes
            if node.name in nodes and node.devices == "auto" and node.name not in seen
        ]
        if not open_nodes:
            return ""
        return (
            f"The jobs of {queue} wait until {' and '.join(open_nodes)} tells whether "
            f"it has GPUs: is its agent running?"
        )

    def _is_hopeless(self, request: Request, snapshot: Snapshot) -> bool:
        """Tell whether nothing on the site could serve it, for a while now."""
        now = time.monotonic()
        if can_ever_fit(request.selector, snapshot):
            self._hopeless_since.pop(request.key, None)
            return False
        since = self._hopeless_since.setdefault(request.key, now)
        return now - since >= HOPELESS_SECONDS

    async def _refuse(
        self,
        entry: Entry,
        queue: str,
        sentence: str,
        reason: Reason = Reason.PARAMETER_INVALID,
    ) -> None:
        refuse = self._queues.refuse
        try:
            done = await asyncio.to_thread(refuse, entry, queue, sentence, reason)
        except ClearMLError as error:
            _log.warning("Task %s cannot be refused: %s", entry.task, error)
            return
        if done:
            _log.info("Task %s of %s is refused: %s", entry.task, queue, sentence)


def _hopeless(request: Request, snapshot: Snapshot) -> str:
    has: dict[str, Counter[str]] = {node.name: Counter() for node in snapshot.nodes}
    for one in snapshot.devices:
        kind = one.device.mig_profile or one.device.model or one.device.kind.value
        has.setdefault(one.device.node, Counter())[kind] += 1
    there_is = "; ".join(
        f"{node}: {', '.join(f'{n} x {kind}' for kind, n in found.items()) or 'none'}"
        for node, found in has.items()
    )
    return (
        f"Nothing on this site can ever serve {wants(request.selector)}. There is: "
        f"{there_is}. Ask for less in the parameters {_PARAMETERS}, or choose another "
        "queue."
    )


def nodes_with_gpus(site: Site, snapshot: Snapshot) -> frozenset[str]:
    """Name the nodes that have GPUs, as the site says or as they report."""
    said = {node.name for node in site.nodes if isinstance(node.devices, tuple)}
    told: Mapping[str, bool] = {
        one.device.node: True
        for one in snapshot.devices
        if one.device.kind in {DeviceKind.GPU, DeviceKind.MIG}
    }
    cpu = {node.name for node in site.nodes if node.devices == "cpu"}
    return frozenset((said | told.keys()) - cpu)
