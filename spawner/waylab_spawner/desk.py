"""What all labs of one hub share: the board, this hub's epoch, the nodes' engines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from waylab_engine.address import EngineAddress
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_ledger.client import (
    BoardClient,
    BoardForbids,
    BoardUnreachable,
    LeaseGone,
    LedgerError,
    NotFound,
    Refused,
)
from waylab_ledger.values import (
    Holder,
    Lease,
    LeaseState,
    Proof,
    ProofKind,
    Request,
    Ticket,
    TicketState,
)
from waylab_ledger.wire import TicketShown
from waylab_spawner.errors import BoardAway, LeaseRefused, NoDeviceFree, PlaceError
from waylab_spawner.offers import NodePlace, PlaceKind, selector
from waylab_spawner.options import Choice
from waylab_spawner.presence import EPOCH

_log = logging.getLogger(__name__)

_GRACE_SECONDS = 0.15
_TELL_SECONDS = 3.0
_RETRY_SECONDS = 5.0
_GONE = (LeaseState.RELEASED,)


@dataclass(frozen=True)
class Wish:
    """A lab's wish for devices; `key` is new at each start."""

    key: str
    holder: Holder
    user: str
    groups: tuple[str, ...]
    choice: Choice
    options: dict[str, object]

    @property
    def note(self) -> str:
        """What the board shows of it; equal for equal wishes."""
        choice = self.choice
        parts = [choice.profile.title]
        if choice.profile.max_gpus is not None:
            parts.append(f"{choice.gpus} GPU{'' if choice.gpus == 1 else 's'}")
        if choice.image is not None:
            parts.append(choice.image.title)
        if choice.limit_seconds is not None:
            parts.append(f"{choice.limit_seconds / 3600:g} h")
        return ", ".join(parts)

    @property
    def request(self) -> Request:
        """Give it as the ledger takes it."""
        return Request(
            key=self.key,
            holder=self.holder,
            user=self.user,
            selector=selector(self.choice.profile, self.choice.gpus, self.choice.nodes),
            groups=self.groups,
            limit_seconds=self.choice.limit_seconds,
            note=self.note,
        )


class Desk:
    """One for each hub's process, made at the first use of a lab.

    `epoch` tells this process from the one before: a lease that was granted to a dead
    one is freed as soon as its node is seen without its holder.
    """

    def __init__(
        self,
        board: BoardClient | None,
        *,
        epoch: str = EPOCH,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        """Nothing is sent yet; without a board there are no leases.

        Endings that could not be proven are tried again every `retry_seconds`.
        """
        self._retry_seconds = retry_seconds
        self.epoch = epoch
        self._board = board
        self._engines: dict[NodePlace, Engine] = {}
        self._registered = False
        self._registering = asyncio.Lock()
        self._endings: set[asyncio.Task[None]] = set()
        self._cut_off: set[str] = set()

    async def close(self) -> None:
        """Give up what is tried again, and let go of the engines."""
        for task in self._endings:
            task.cancel()
        await asyncio.gather(*self._endings, return_exceptions=True)
        for engine in self._engines.values():
            engine.close()

    def engine(self, place: NodePlace) -> Engine:
        """Give the one engine of a node, with a thread pool of its own.

        Raises:
            PlaceError: the site's address of it is none.
        """
        if place not in self._engines:
            try:
                address = EngineAddress(
                    place.engine_url,
                    place.host,
                    Path(place.engine_tls) if place.engine_tls else None,
                )
            except ValueError as error:
                raise PlaceError(str(error)) from error
            self._engines[place] = Engine(address)
        return self._engines[place]

    async def first_answering(self, places: Sequence[NodePlace]) -> str:
        """Name the first node that can run a lab now; order is preference.

        Raises:
            PlaceError: no engine answers; the text says what each said.
        """
        if not places:
            msg = "No node runs labs of this profile: choose another, or ask the admin."
            raise PlaceError(msg)
        asked = {place.node: asyncio.create_task(self._ask(place)) for place in places}
        try:
            # The preferred ones get a moment's grace before later ones are taken.
            await asyncio.wait(asked.values(), timeout=_GRACE_SECONDS)
            waiting = set(asked.values())
            while waiting:
                for node, task in asked.items():
                    if task.done() and not task.result():
                        return node
                waiting = {task for task in waiting if not task.done()}
                if waiting:
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in asked.values():
                task.cancel()
        said = "; ".join(f"{node}: {task.result()}" for node, task in asked.items())
        msg = f"No node can run this lab now ({said}). Try again in a minute."
        raise PlaceError(msg)

    async def _ask(self, place: NodePlace) -> str:
        """Give why a node cannot run a lab now; empty if it can."""
        if place.kind is PlaceKind.PROCESS:
            return ""
        try:
            engine = self.engine(place)
            await engine.call(engine.info)
        except (EngineError, PlaceError) as error:
            return str(error)
        return ""

    async def board(self) -> BoardClient:
        """Give the board, once it knows this hub's epoch.

        Raises:
            BoardAway: there is none, or it does not answer.
        """
        if self._board is None:
            msg = "This site has no board, which grants the GPUs."
            raise BoardAway(msg)
        async with self._registering:
            if not self._registered:
                try:
                    await self._board.epoch(self.epoch)
                except LedgerError as error:
                    raise BoardAway(str(error)) from error
                self._registered = True
        return self._board

    async def obtain(self, wish: Wish) -> Lease:
        """Get a lease: the one set aside for this lab, or a new one.

        Raises:
            NoDeviceFree: there is a ticket instead, the present one if the wish is
                the same as before.
            LeaseRefused: never, or not this one; the text says why.
            BoardAway: the board does not answer.
        """
        board = await self.board()
        try:
            if wish.choice.lease:
                return await self._take(board, wish.choice.lease, wish)
            kept = await self._ticket(board, wish)
            if kept is not None:
                if kept.lease:
                    return await self._take(board, kept.lease, wish)
                raise NoDeviceFree(kept.id, _place(kept))
            answer = await self._request(board, wish)
        except (BoardUnreachable, BoardForbids) as error:
            raise BoardAway(str(error)) from error
        except LedgerError as error:
            raise LeaseRefused(str(error)) from error
        if isinstance(answer, Ticket):
            raise NoDeviceFree(answer.id)
        return answer

    async def activate(
        self, lease: str, engine_id: str | None, found: str | None
    ) -> bool:
        """Say that a lab runs; False if the board could not be told."""
        return await self._tell(
            lambda board: board.activate(lease, engine_id=engine_id, found=found)
        )

    async def releasing(self, lease: str, reason: str) -> bool:
        """Say that a lab's end was asked for; False if the board could not be told."""
        return await self._tell(lambda board: board.releasing(lease, reason))

    async def lose(self, lease: str, reason: str) -> bool:
        """Say that nobody knows of a lab; False if the board could not be told."""
        return await self._tell(lambda board: board.lose(lease, reason))

    async def release(self, lease: str, proof: Proof) -> bool:
        """Free a lab's devices on a proof; False if the board could not be told."""
        return await self._tell(lambda board: board.release(lease, proof))

    def persist(self, attempt: Callable[[], Awaitable[bool]], what: str) -> None:
        """Try an ending again, every few seconds, until it succeeds."""

        async def go_on() -> None:
            while True:
                await asyncio.sleep(self._retry_seconds)
                try:
                    if await attempt():
                        _log.info("At last: %s.", what)
                        return
                except Exception:
                    _log.exception("Not yet: %s.", what)

        task = asyncio.get_running_loop().create_task(go_on())
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _tell(self, tell: Callable[[BoardClient], Awaitable[object]]) -> bool:
        try:
            # Nobody waits long for the board to hear of what has happened already.
            async with asyncio.timeout(_TELL_SECONDS):
                await tell(await self.board())
        except TimeoutError:
            _log.warning("The board does not hear: it is told again later.")
            return False
        except (BoardAway, BoardUnreachable, BoardForbids) as error:
            _log.warning("The board is not told now: %s", error)
            return False
        except (LeaseGone, NotFound) as error:
            _log.info("The lease is over already: %s", error)
        except LedgerError as error:
            _log.error("The board does not accept it: %s", error)
        return True

    async def _request(self, board: BoardClient, wish: Wish) -> Lease | Ticket:
        try:
            return await board.request(wish.request, self.epoch, wish.options)
        except (BoardUnreachable, asyncio.CancelledError):
            # The board may have granted it nevertheless: nobody would use it.
            self.persist(lambda: self._give_back(board, wish), "a request is undone")
            raise

    async def _give_back(self, board: BoardClient, wish: Wish) -> bool:
        try:
            answer = await board.request(wish.request, self.epoch, wish.options)
            if isinstance(answer, Ticket):
                await board.give_up(answer.id)
                return True
        except (Refused, NotFound):
            return True
        except LedgerError:
            return False
        never = Proof(ProofKind.NEVER_STARTED, by="hub")
        return await self.release(answer.id, never)

    async def _take(self, board: BoardClient, lease_id: str, wish: Wish) -> Lease:
        try:
            lease = await board.lease(lease_id)
        except NotFound as error:
            msg = "The lease that this start names does not exist: start the lab anew."
            raise LeaseRefused(msg) from error
        if lease.request.holder != wish.holder:
            msg = "The lease that this start names is set aside for another lab."
            raise LeaseRefused(msg)
        if lease.state in _GONE:
            msg = (
                "The GPU that was set aside for this lab was not claimed in time and "
                "went to the next in line: start the lab anew to get in line again."
            )
            raise LeaseRefused(msg)
        if lease_id in self._cut_off or not self._is_fresh(lease):
            # Whoever ends its first lab will free it, whatever runs on it then.
            msg = (
                "The lease that this start names was for one start, which has been: "
                "start the lab anew."
            )
            raise LeaseRefused(msg)
        try:
            return await board.take(lease_id, self.epoch)
        except (BoardUnreachable, asyncio.CancelledError):
            # The board may have noted it nevertheless: nobody would use it.
            self._cut_off.add(lease_id)
            self.persist(
                lambda: self._give_lease_back(board, lease_id), "a lease is given back"
            )
            raise

    def _is_fresh(self, lease: Lease) -> bool:
        """Tell whether no start of this hub's process has had it."""
        if lease.state is LeaseState.GRANTED:
            return lease.taker != self.epoch
        return lease.state is LeaseState.PENDING

    async def _give_lease_back(self, board: BoardClient, lease_id: str) -> bool:
        try:
            await board.take(lease_id, self.epoch)
        except (LeaseGone, NotFound):
            return True
        except LedgerError:
            return False
        never = Proof(ProofKind.NEVER_STARTED, by="hub")
        return await self.release(lease_id, never)

    async def _ticket(self, board: BoardClient, wish: Wish) -> TicketShown | None:
        """Give the lab's open ticket for this very wish; others are given up."""
        mine = [
            ticket
            for ticket in (await board.state()).line
            if ticket.holder == str(wish.holder) and ticket.state != TicketState.CLOSED
        ]
        kept = next((ticket for ticket in mine if ticket.note == wish.note), None)
        for ticket in mine:
            if ticket is not kept:
                await board.give_up(ticket.id)
        return kept


def _place(ticket: TicketShown) -> str:
    if ticket.position is None:
        return ""
    if ticket.expected_to is None:
        return f"place {ticket.position}"
    wait = max(0.0, (ticket.expected_to - datetime.now(UTC)).total_seconds() / 60)
    return f"place {ticket.position}, about {wait:.0f} minutes at most"
