"""Labs as containers of a node's engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dockerspawner import DockerSpawner  # type: ignore[import-untyped]

from waylab_engine import labels, plans
from waylab_engine.container import Container
from waylab_engine.engine import Engine
from waylab_engine.errors import ContainerMissing, EngineError, EngineUnreachable
from waylab_engine.names import container_name
from waylab_engine.plan import ContainerPlan
from waylab_engine.pulling import Progress
from waylab_ledger.values import Holder, Proof, ProofKind
from waylab_spawner.belief import believed
from waylab_spawner.errors import PlaceError
from waylab_spawner.logs import presentable
from waylab_spawner.offers import NodePlace
from waylab_spawner.order import Ended, Look, Order, Unknown
from waylab_spawner.steps import Steps
from waylab_spawner.surroundings import Surroundings

_PULL_FROM, _PULL_TO = 15, 60
_LOG_LINES = 40
_PROGRAM = "jupyterhub-singleuser"
_OWN_MACHINE = ("CLEARML_CONFIG_PATH",)
"""Variables that name a place on the hub's machine; an image has its own."""


class DockerLab(DockerSpawner):  # type: ignore[misc]
    """One start of a lab as a container: the stock spawner, on one node's engine.

    The stock class has one client and one thread for everything, takes an error of
    the engine for an absence, and makes containers from traits; here each node has its
    own, an absence is proven, and a container is made from a plan.
    """

    def __init__(
        self,
        engine: Engine,
        place: NodePlace,
        surroundings: Surroundings,
        steps: Steps,
        **options: Any,
    ) -> None:
        """Nothing is asked of the engine before `prepare`."""
        self._engine = engine
        super().__init__(**options)
        self.order: Order | None = None
        self._place = place
        self._surroundings = surroundings
        self._steps = steps
        self._engine_id = ""
        self._making: asyncio.Task[str] | None = None
        self._holder = Holder.lab(self.user.name, self.name)
        self.remove = True
        self.pull_policy = "skip"  # `prepare` has done it.
        self.host_ip = place.host
        self.hub_connect_url = surroundings.hub_url or None
        self.object_name = container_name(surroundings.site_id, self._holder)

    @property
    def client(self) -> Any:
        """The client of this node's engine."""
        return self._engine.connection.client()

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The threads of this node's engine."""
        return self._engine.connection.pool

    def docker(self, method: str, *args: Any, **options: Any) -> Awaitable[Any]:
        """Call a method of the client, for at most the engine's limit of time."""
        connection = self._engine.connection
        return connection.call(
            connection.run, lambda client: getattr(client, method)(*args, **options)
        )

    async def prepare(self, order: Order) -> None:
        """Take the order, and bring its image to the node.

        Raises:
            PlaceError: the engine does not answer, or cannot have the image.
        """
        self.order = order
        image = order.choice.image
        if image is None:
            msg = f"Labs on {order.place.node} need an image: choose one."
            raise PlaceError(msg)
        self._steps.tell(_PULL_FROM, f"Looking for the image on {order.place.node}.")
        engine = self._engine
        try:
            self._engine_id = (await engine.call(engine.info)).id
            is_there = await engine.call(engine.has_image, image.reference)
        except EngineError as error:
            raise self._unreachable(error) from error
        if is_there:
            return
        try:
            await self._pull(image.reference)
        except EngineUnreachable as error:
            raise self._unreachable(error) from error
        except EngineError as error:
            msg = (
                f"The image {image.title!r} is not on {order.place.node}, and cannot "
                f"be brought there ({error}). Choose another image, or ask the admin "
                f"to put {image.reference} on that node."
            )
            raise PlaceError(msg) from error

    async def start(self) -> tuple[str, int]:
        """Make and start the container, and give where its port is published.

        Raises:
            PlaceError: the engine does not do it; the text is for the lab's user.
        """
        try:
            host, port = await super().start()
        except EngineUnreachable as error:
            raise self._unreachable(error) from error
        except EngineError as error:
            msg = (
                f"The lab's container cannot be started on {self._place.node}: {error} "
                "Try once more; if it fails again, show this to the admin."
            )
            raise PlaceError(msg) from error
        return str(host), int(port)

    async def get_object(self) -> dict[str, Any] | None:
        """Give what is left of an earlier start, under this lab's name.

        Raises:
            EngineError: nobody can tell.
        """
        try:
            left = await self._engine.call(self._engine.inspect, self.object_name)
        except ContainerMissing:
            return None
        self.object_id = left.id
        return {"Id": left.id}

    async def remove_object(self) -> None:
        """Remove it, running or not: a lab has one container."""
        await self._engine.call(self._engine.remove, self.object_id, force=True)
        self.object_id, self._making = "", None

    async def create_object(self) -> dict[str, str]:
        """Make the container by its plan."""
        self._steps.tell(65, f"Creating the container on {self._place.node}.")
        plan = await self._plan()
        self._making = asyncio.create_task(self._engine.call(self._engine.create, plan))
        # Whoever gives up waiting must not leave it behind unseen.
        return {"Id": await asyncio.shield(self._making)}

    async def start_object(self) -> None:
        """Start the container."""
        self._steps.tell(72, "Starting the container.")
        await self._engine.call(self._engine.start, self.object_id)
        self._steps.tell(78, "JupyterLab is starting.")

    async def get_ip_and_port(self) -> tuple[str, int]:
        """Give where the container's port is published.

        Raises:
            PlaceError: it is not published, or the engine does not answer.
        """
        try:
            container = await self._engine.call(self._engine.inspect, self.object_id)
        except EngineError as error:
            raise self._unreachable(error) from error
        where = container.ports.get(self.port)
        if where is None:
            raise PlaceError(await self._not_published(container))
        return self._place.host, where[1]

    async def look(self) -> Look:
        """Ask the engine; whatever is no proof and no running container is unknown."""
        self._take_made()
        if not self.object_id:
            if self._making is not None and not self._making.done():
                # It will be there, and nobody has proved yet that it is gone.
                return Unknown("Its container is still being made.", answered=False)
            return self._never_started()
        answer = await self._engine.call(self._engine.ask, self.object_id)
        return believed(answer, self.object_id, self._engine_id, node=self._place.node)

    async def end(self, grace_seconds: float) -> Look:
        """Stop the container, and prove that it has ended.

        An engine that does not answer at once is sent nothing: whoever wants the lab
        to end asks again.
        """
        await self._settle()
        seen = await self.look()
        if isinstance(seen, Ended) or (isinstance(seen, Unknown) and not seen.answered):
            return seen
        engine = self._engine
        try:
            await engine.call(engine.stop, self.object_id, int(grace_seconds))
            seen = await self.look()
            if isinstance(seen, Unknown):
                # Made and never started, or half removed: only its absence proves.
                await engine.call(engine.remove, self.object_id, force=True)
                seen = await self.look()
        except EngineError as error:
            return Unknown(str(error))
        return seen

    async def poll(self) -> int | None:
        """Give None unless the container has certainly ended, else its exit code."""
        seen = await self.look()
        return seen.exit_status if isinstance(seen, Ended) else None

    async def stop(self, now: bool = False) -> None:
        """End the container; `now` skips the grace time."""
        await self.end(0.0 if now else self._surroundings.grace_seconds)

    async def clear_away(self) -> bool:
        """Remove the ended container; False if the engine does not do it now."""
        self._take_made()
        if not self.object_id:
            return True
        try:
            await self._engine.call(self._engine.remove, self.object_id, force=True)
        except EngineError as error:
            self.log.warning("Not removed yet: %s", error)
            return False
        return True

    async def log_tail(self) -> str:
        """Give the end of the lab's log as its user may see it."""
        if not self.object_id:
            return ""
        try:
            text = await self._engine.call(
                self._engine.logs, self.object_id, tail=_LOG_LINES
            )
        except EngineError as error:
            return f"(The log cannot be read: {error})"
        return presentable(text, lines=_LOG_LINES)

    async def address(self) -> tuple[str, int] | None:
        """Ask where the port is published now: after a restart it is another one.

        Raises:
            PlaceError: the engine does not answer, or the port is not published.
        """
        return await self.get_ip_and_port()

    def identity(self) -> tuple[str | None, str | None]:
        """Give the engine's ID and the container's."""
        return self._engine_id or None, self.object_id or None

    async def find(self) -> str | None:
        """Look for a lab of this name that runs already; give its lease.

        None means that there is certainly none. What is there and does not run is
        cleared away at its `end`.

        Raises:
            PlaceError: nobody can tell.
        """
        engine = self._engine
        try:
            engine_id = (await engine.call(engine.info)).id
            left = await engine.call(engine.inspect, self.object_name)
        except ContainerMissing:
            return None
        except EngineError as error:
            raise self._unreachable(error) from error
        if left.labels.get(labels.SITE) != self._surroundings.site_id:
            return None
        self._engine_id, self.object_id = engine_id, left.id
        return left.labels.get(labels.LEASE, "")

    def get_state(self) -> dict[str, Any]:
        """Give what finds the container again: its ID, and the engine's."""
        state: dict[str, Any] = super().get_state()
        if self.object_id:
            state["engine_id"] = self._engine_id
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Find the container again after a restart of the hub."""
        super().load_state(state)
        self._engine_id = str(state.get("engine_id", ""))

    async def _plan(self) -> ContainerPlan:
        order = self.order
        if order is None:
            msg = "A lab is started with an order only."
            raise PlaceError(msg)
        surroundings, place = self._surroundings, order.place
        info = await self._engine.call(self._engine.info)
        if info.id != self._engine_id:
            msg = f"The engine of {place.node} was replaced meanwhile: start again."
            raise PlaceError(msg)
        ground = plans.Ground(
            site_id=surroundings.site_id,
            node=place.node,
            engine=info,
            images=surroundings.images,
            homes=surroundings.container_homes,
            shares=surroundings.shares,
            host=place.host,
        )
        groups = tuple(group.name for group in self.user.groups)
        own = {k: v for k, v in order.environment.items() if k not in _OWN_MACHINE}
        self.image = self._image()
        # Setting the image makes the stock class choose a name of its own.
        self.object_name = container_name(surroundings.site_id, self._holder)
        return plans.lab(
            ground,
            plans.Occupant(
                self._holder, self.user.name, groups, order.lease, order.devices
            ),
            order.choice.profile,
            plans.Program(
                command=(_PROGRAM, *surroundings.lab_arguments),
                environment={**self.get_env(), **own},
                ports=(self.port,),
            ),
            image=self._image(),
        )

    def _image(self) -> str:
        image = self.order.choice.image if self.order is not None else None
        return image.reference if image is not None else ""

    async def _pull(self, reference: str) -> None:
        loop = asyncio.get_running_loop()
        span = _PULL_TO - _PULL_FROM

        def tell(progress: Progress) -> None:
            percent = _PULL_FROM + int(span * progress.percent / 100)
            message = f"Pulling the image: {progress.percent:.0f} %"
            loop.call_soon_threadsafe(self._steps.tell, percent, message)

        self._steps.tell(_PULL_FROM, f"Pulling the image to {self._place.node}.")
        await self._engine.call(self._engine.pull, reference, tell)

    async def _settle(self) -> None:
        """Wait for a container that is being made, so as to know it."""
        making = self._making
        if making is None or self.object_id:
            return
        limit = self._engine.connection.slow_seconds
        await asyncio.wait([making], timeout=limit)

    def _take_made(self) -> None:
        """Know the container of a start that nobody waited for to its end."""
        making = self._making
        if making is None or self.object_id or not making.done():
            return
        if not making.cancelled() and making.exception() is None:
            self.object_id = making.result()

    def _never_started(self) -> Ended:
        detail = "its container was not started"
        proof = Proof(ProofKind.NEVER_STARTED, "hub", detail, self._engine_id or None)
        return Ended(proof, 0, detail)

    def _unreachable(self, error: EngineError) -> PlaceError:
        return PlaceError(
            f"The engine of {self._place.node} does not answer ({error}). Try again in "
            "a minute, choose another node, or tell the admin."
        )

    async def _not_published(self, container: Container) -> str:
        if container.status == "exited":
            return (
                f"The lab ended at once (exit code {container.exit_code}). The end of "
                f"its log:\n{await self.log_tail()}"
            )
        return (
            f"The port of the lab's container on {self._place.node} is not published."
        )
