"""The one spawner of the hub: hands each start to the place that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from jupyterhub.spawner import Spawner
from jupyterhub.utils import maybe_future
from sqlalchemy.orm import object_session
from traitlets import default

from waylab_ledger.client import BoardClient
from waylab_ledger.values import Holder, Lease
from waylab_site.model import HomesKind
from waylab_spawner import failures, form
from waylab_spawner.adoption import find, wait_for_answer
from waylab_spawner.desk import Desk, Wish
from waylab_spawner.docker_lab import DockerLab
from waylab_spawner.ending import Ending
from waylab_spawner.errors import PlaceError, SpawnerError, TrackingError
from waylab_spawner.keys import Keys, LabKeys, OwnKeys
from waylab_spawner.offers import NodePlace, PlaceKind
from waylab_spawner.options import Choice, choose, counted, from_form, remembered
from waylab_spawner.order import Ended, Look, Order, Running, Unknown
from waylab_spawner.place import Lab
from waylab_spawner.process_lab import ProcessLab
from waylab_spawner.readiness import wait_until_ready
from waylab_spawner.steps import Steps
from waylab_spawner.traits import SiteTraits

_DESK = "waylab_desk"
_PAUSE_SECONDS = 2.0
_HANDED_ON = (
    *("user", "orm_spawner", "hub", "authenticator", "proxy_spec", "admin_access"),
    *("api_token", "oauth_client_id", "oauth_access_scopes", "public_url"),
    *("oauth_client_allowed_scopes", "cookie_options", "cookie_host_prefix_enabled"),
    *("public_hub_url", "internal_ssl", "default_url"),
)
"""What the hub tells a spawner, and a place needs to know too."""


class WaylabSpawner(SiteTraits, Spawner):  # type: ignore[misc]
    """A lab's life: choice, lease, start at a place, end, proof.

    A lab is started by a child, `ProcessLab` or `DockerLab`, made anew for each start.
    A lab with GPUs holds a lease of exactly the devices that its container sees.
    """

    user_options: dict[str, object]

    def __init__(self, **options: Any) -> None:
        """Nothing is started before `start`."""
        self._steps = Steps()
        self._lab: Lab | None = None
        self._place: NodePlace | None = None
        self._lease = ""
        self._told_active = True
        self._forgotten = True  # Whether a lab may be there that no state tells of.
        self._order: Order | None = None
        super().__init__(**options)

    @default("options_form")
    def _default_options_form(self) -> Any:
        async def render(spawner: WaylabSpawner) -> str:
            return form.render(
                spawner.offers,
                spawner.user_options or {},
                str(spawner.holder),
                board=bool(spawner.board_url),
            )

        return render

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        def read(fields: Mapping[str, list[str]]) -> dict[str, object]:
            try:
                return from_form(fields)
            except SpawnerError as error:
                raise failures.told(error) from error

        return read

    @default("apply_user_options")
    def _default_apply_user_options(self) -> Any:
        # `run_pre_spawn_hook` judges them: an error there is told without a traceback.
        return lambda spawner, options: None

    @default("default_url")
    def _default_url_is_the_lab(self) -> str:
        return "/lab"

    @default("env_keep")
    def _default_env_keep(self) -> list[str]:
        return []

    @property
    def holder(self) -> Holder:
        """This lab as the ledger knows it."""
        return Holder.lab(self.user.name, self.name)

    @property
    def desk(self) -> Desk:
        """What all labs of this hub share."""
        shared = self.user.settings
        if _DESK not in shared:
            shared[_DESK] = Desk(self._board())
        desk: Desk = shared[_DESK]
        return desk

    async def run_pre_spawn_hook(self) -> None:
        """Get everything that a start needs: devices, keys, the image.

        JupyterHub does not count this as time of the start.

        Raises:
            SpawnException: the lab does not start now; the text is for its user.
        """
        options: dict[str, object] = self.user_options or {}
        if "lease" in options:
            # It is for one start only, and JupyterHub repeats options.
            self.user_options = self.orm_spawner.user_options = remembered(options)
            self._commit()
        try:
            choice = choose(options, self.offers)
            self._order = await self._prepare(choice)
        except SpawnerError as error:
            raise failures.told(error) from error
        await maybe_future(super().run_pre_spawn_hook())

    async def start(self) -> tuple[str, int]:
        """Start the lab and give its address once it answers.

        Raises:
            SpawnException: the place cannot run it, or it ended at once; the text is
                for its user.
        """
        order, lab = self._order, self._lab
        if order is None or lab is None:
            msg = "This lab was not prepared: start it by the hub."
            raise failures.refused(msg, "start", 500)
        try:
            # The hub would give up a moment later, with a sentence of its own.
            async with asyncio.timeout(self.start_timeout * 0.95):
                return await self._start(lab, order)
        except SpawnerError as error:
            raise failures.told(error) from error
        except TimeoutError as error:
            seconds = float(self.start_timeout)
            raise failures.too_slow(seconds, await self._log_tail()) from error

    async def poll(self) -> int | None:
        """Give None while the lab runs, or while nobody can tell, else its status."""
        if self._lab is None:
            if not self._forgotten:
                return 0
            seen = await self._adopt()
        else:
            seen = await self._lab.look()
        if isinstance(seen, Running):
            await self._tell_active()
        return seen.exit_status if isinstance(seen, Ended) else None

    async def stop(self, now: bool = False) -> None:
        """End the lab; its devices are free once that is proven."""
        await self._finish("its user or an admin stopped it", now=now)

    async def run_post_stop_hook(self) -> None:
        """Clear away what is left, also of a lab that ended by itself."""
        await self._finish("it ended", now=True)
        try:
            await self._keys(in_container=False).revoke()
        except TrackingError as error:
            self.log.warning(
                "The keys of %s are not revoked yet; its next start does it. %s",
                self._log_name,
                error,
            )
        await maybe_future(super().run_post_stop_hook())

    async def progress(self) -> AsyncIterator[dict[str, object]]:
        """Say what the page shows while the lab starts."""
        async for step in self._steps.watch():
            yield step

    async def get_url(self) -> str:
        """Give the lab's address after a restart of the hub, once it answers.

        JupyterHub shuts a lab down that does not answer soon; a lab whose node is out
        of sight for a while is left alone.
        """
        known: str = self.server.url
        if self._lab is None:
            await self._adopt_for_certain()
        if self._lab is None:
            return known
        url = await wait_for_answer(self._lab, known, self.server.base_url)
        self.orm_spawner.state = self.get_state()
        self._commit()
        return url

    def load_state(self, state: dict[str, Any]) -> None:
        """Find a lab again after a restart of the hub."""
        super().load_state(state)
        if "pid" in state:  # As labs were remembered before there were places.
            state = {"place": {"node": "local"}, "lab": state}
        if "place" not in state:
            return
        told = NodePlace.model_validate(state["place"])
        self._take(self.offers.place(told.node) or told)
        if self._lab is not None:
            self._lab.load_state(state.get("lab", {}))
        self._lease = str(state.get("lease", ""))
        self._forgotten = False

    def get_state(self) -> dict[str, Any]:
        """Give what finds the lab again."""
        state: dict[str, Any] = super().get_state()
        if self._lab is not None and self._place is not None:
            state["place"] = self._place.model_dump(mode="json")
            state["lab"] = self._lab.get_state()
            state["lease"] = self._lease
        return state

    def clear_state(self) -> None:
        """Forget the lab."""
        super().clear_state()
        self._lab = self._place = self._order = None
        self._lease = ""
        self._told_active = True
        self._forgotten = False
        self._steps = Steps()

    def _commit(self) -> None:
        # JupyterHub rolls back what is left unsaved at the end of any request.
        session = object_session(self.orm_spawner)
        if session is not None:
            session.commit()

    async def _prepare(self, choice: Choice) -> Order:
        devices: tuple[str, ...] = ()
        if choice.gpus:
            self._steps.tell(3, "Asking the board for a GPU.")
            lease = await self._obtain(choice)
            self._lease, self._told_active = lease.id, False
            devices, node = lease.devices, lease.node
            self._steps.tell(8, f"{counted(len(devices))} on {node} for you.")
        else:
            node = await self._node(choice)
        place = self.offers.place(node)
        if place is None:
            msg = (
                f"The board granted a GPU of {node}, which runs no labs: ask the admin."
            )
            raise PlaceError(msg)
        self._take(place)
        in_container = place.kind is not PlaceKind.PROCESS
        self._steps.tell(12, "Getting your keys ready.")
        environment = await self._keys(in_container=in_container).make(
            is_admin=bool(self.user.admin)
        )
        order = Order(choice, place, self.holder, self._lease, devices, environment)
        if self._lab is not None:
            await self._lab.prepare(order)
        return order

    async def _obtain(self, choice: Choice) -> Lease:
        return await self.desk.obtain(
            Wish(
                key=uuid4().hex,
                holder=self.holder,
                user=self.user.name,
                groups=tuple(sorted(group.name for group in self.user.groups)),
                choice=choice,
                options=dict(self.user_options),
            )
        )

    async def _node(self, choice: Choice) -> str:
        """Choose among the nodes that may run a lab without a GPU.

        Where a home is a volume of its node, it is always the first: on another one
        the user would miss the files.
        """
        if self.surroundings.container_homes.kind is HomesKind.VOLUME:
            return choice.nodes[0]
        places = [self.offers.place(node) for node in choice.nodes]
        return await self.desk.first_answering([p for p in places if p is not None])

    async def _start(self, lab: Lab, order: Order) -> tuple[str, int]:
        host, port = await lab.start()
        await self._tell_active()
        self._steps.tell(85, "Waiting for JupyterLab to answer.")
        gone = await wait_until_ready(host, port, self.server.base_url, lab.look)
        if gone is not None:
            raise failures.ended(gone.words, await lab.log_tail())
        self._steps.tell(99, "JupyterLab answers.")
        return host, port

    async def _tell_active(self) -> None:
        if self._told_active or not self._lease or self._lab is None:
            return
        lease = self._lease
        if not await self._activate(lease):
            # The hub looks at its labs too rarely to wait for that.
            self.desk.persist(
                partial(self._activate, lease), f"{self._log_name}'s lease is active"
            )
        self._told_active = True

    async def _activate(self, lease: str) -> bool:
        """Tell the board that the lab runs, unless it is at its end meanwhile."""
        if self._lab is None or self._lease != lease:
            return True
        return await self.desk.activate(lease, *self._lab.identity())

    async def _finish(self, reason: str, *, now: bool) -> None:
        if self._lab is None and self._forgotten:
            await self._adopt()
        lab, lease = self._lab, self._lease
        self._lab, self._lease = None, ""
        self._forgotten = False
        if lab is None and not lease:
            return
        grace = 0.0 if now else self.surroundings.grace_seconds
        await Ending(self.desk, self._log_name, lab, lease, reason, grace).finish()

    async def _adopt(self) -> Look:
        """Look for a lab that a hub before this one started and could not note."""
        found = await find(self.offers.places, self._make)
        if found.lab is not None:
            self._lab, self._place = found.lab, found.place
            self._lease = found.lease
            self._told_active = False
            self._forgotten = False
        return found.seen

    async def _adopt_for_certain(self) -> None:
        while True:
            if not isinstance(await self._adopt(), Unknown):
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _log_tail(self) -> str:
        return await self._lab.log_tail() if self._lab is not None else ""

    def _take(self, place: NodePlace) -> None:
        self._place, self._lab = place, self._make(place)

    def _make(self, place: NodePlace) -> Lab:
        told = {name: getattr(self, name) for name in _HANDED_ON}
        common = {**told, "config": self.config, "user_options": {}}
        if place.kind is PlaceKind.PROCESS:
            return ProcessLab(self.surroundings, self._steps, **common)
        engine = self.desk.engine(place)
        return DockerLab(engine, place, self.surroundings, self._steps, **common)

    def _keys(self, *, in_container: bool) -> Keys:
        place = self.tracking_place(in_container=in_container)
        if self.own_keys and self.board_url:
            return OwnKeys(place, self.user.name, self._open_board)
        groups = tuple(group.name for group in self.user.groups)
        return LabKeys(place, self.user.name, self.name, groups, days=self.keys_days)

    def _board(self) -> BoardClient | None:
        return self._open_board() if self.board_url else None

    def _open_board(self) -> BoardClient:
        token = Path(self.board_token_file).read_text(encoding="utf-8").strip()
        return BoardClient(self.board_url, token)
