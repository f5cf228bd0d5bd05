"""A running Waylab: its programs, its control socket, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from waylab_hub import control
from waylab_hub.agents import agents_here
from waylab_hub.assemble import SUPERVISOR
from waylab_hub.engines import drop_address, hold_address
from waylab_hub.errors import ControlError, HubError
from waylab_hub.files_store import store_environment, store_problem
from waylab_hub.hub_api import HubApi
from waylab_hub.lab_containers import end_containers
from waylab_hub.preparation import Prepared, base_environment, write_hub_settings
from waylab_hub.programs import (
    BOARD,
    HUB,
    PROXY,
    TRACKING,
    Blueprint,
    Program,
    agent_key_file,
    engine_program,
    hub_url,
    keyring_folder,
    programs,
    public_url,
    tracking_url,
)
from waylab_hub.provisioning import (
    ensure_agent_keys,
    ensure_node_token,
    ensure_operator,
    ensure_queues,
    ensure_service_operator,
    ensure_system_keys,
    ensure_users,
    follow_removals,
)
from waylab_hub.readiness import engine_probes, probes
from waylab_hub.simulation import ensure_images, plant_images
from waylab_hub.supervisor import Supervisor
from waylab_site.errors import SiteError
from waylab_site.loading import load
from waylab_site.model import SERVICES_QUEUE, Site
from waylab_spawner import processes
from waylab_spawner.errors import TrackingError
from waylab_spawner.tracking import Tracking

_log = logging.getLogger(__name__)

_LABS_SECONDS = 20.0

Say = Callable[[str], None]


class Running:
    """A running Waylab: its programs, its control socket, its end."""

    def __init__(self, prepared: Prepared, say: Say) -> None:
        """Nothing is started before `run`; `say` gets each line for the operator."""
        self._prepared = prepared
        self._say = say
        self._stop = asyncio.Event()
        self._client = httpx.AsyncClient(timeout=5.0, trust_env=False)
        self._tracking = Tracking(
            tracking_url(prepared.ports),
            ensure_system_keys(prepared.state, self._site()),
        )
        self._agents = {
            plan.program: plan.name
            for plan in agents_here(self._site(), prepared.inventory)
        }
        self._simulated = tuple(
            one for one in prepared.engines if one.node.is_simulated
        )
        self._supervisor = Supervisor(
            prepared.state,
            self._programs(),
            probes(
                prepared.ports,
                client=self._client,
                proxy_token=prepared.state.secret("proxy-token"),
                tracking=self._tracking,
                agents=self._agents,
            )
            | engine_probes(self._simulated),
            {PROXY: self._renew_routes},
        )
        self._follow: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Ask for a full stop; may be called from a signal handler."""
        self._stop.set()

    async def run(self) -> None:
        """Start everything, tell when it is ready, and stay until `stop`.

        Whatever happens, everything that was started has ended afterwards.

        Raises:
            StartError: a program does not start.
            TrackingError: tracking refuses what the supervisor has to set up.
        """
        self._loop = asyncio.get_running_loop()
        socket = self._prepared.state.supervisor_socket
        stopped = asyncio.create_task(self._stop.wait())
        try:
            async with control.serve(socket, self._answer):
                starting = asyncio.create_task(self._start())
                await asyncio.wait(
                    {starting, stopped}, return_when=asyncio.FIRST_COMPLETED
                )
                if not stopped.done():
                    await starting
                    self._tell_ready()
                    await stopped
                starting.cancel()
                with contextlib.suppress(
                    asyncio.CancelledError, HubError, TrackingError
                ):
                    await starting
                self._say("Waylab is stopping.")
                await self._stop_all()
        except BaseException:
            await self._stop_all()
            raise
        finally:
            stopped.cancel()
            await self._client.aclose()
            await self._tracking.__aexit__(None, None, None)

    async def _start(self) -> None:
        state, supervisor = self._prepared.state, self._supervisor
        if problem := await self._store_problem():
            # All else works without it.
            self._say(problem)
        await self._start_engines()
        for node in self._agents.values():
            await asyncio.to_thread(ensure_node_token, state, node)
        for name in (TRACKING, PROXY, HUB, BOARD):
            if name in supervisor.names:
                supervisor.start(name)
        for program, node in self._agents.items():
            if agent_key_file(state, node).exists():
                supervisor.start(program)
        if TRACKING in supervisor.names:
            await supervisor.wait_ready(TRACKING)
        await self._provision()
        for program in self._agents:
            supervisor.start(program)
        for name in supervisor.names:
            await supervisor.wait_ready(name)
        self._follow = asyncio.create_task(self._follow_removals())

    async def _store_problem(self) -> str:
        url = self._site().tracking.files
        if url is None:
            return ""
        environment = base_environment(os.environ) | store_environment(os.environ)
        return await asyncio.to_thread(store_problem, url, environment)

    async def _start_engines(self) -> None:
        if not self._simulated:
            return
        self._say("Starting the engines of the simulated nodes.")
        await asyncio.to_thread(hold_address, self._prepared.ports.internal)
        engines, site = self._simulated, self._site()
        await asyncio.to_thread(plant_images, engines, site, self._tell)
        programs = [engine_program(engine.node) for engine in engines]
        for name in programs:
            self._supervisor.start(name)
        for name in programs:
            await self._supervisor.wait_ready(name)
        await asyncio.to_thread(ensure_images, engines, site, self._tell)

    def _tell(self, line: str) -> None:
        """Say a line from another thread."""
        self._loop.call_soon_threadsafe(self._say, line)

    async def _provision(self) -> None:
        prepared, site = self._prepared, self._site()
        queues = [queue.name for queue in site.queues]
        if site.tracking.is_external:
            ensure_service_operator(prepared.state, site, prepared.ports)
            await ensure_queues(self._tracking, (*queues, SERVICES_QUEUE))
            return
        for node in self._agents.values():
            await ensure_agent_keys(prepared.state, self._tracking, node)
        await ensure_operator(
            prepared.state, self._tracking, prepared.ports, prepared.admin
        )
        await ensure_users(self._tracking, prepared.users)
        await ensure_queues(self._tracking, queues)

    async def _follow_removals(self) -> None:
        async with self._hub() as hub:
            external = self._site().tracking.is_external
            tracking = None if external else self._tracking
            prepared = self._prepared
            keyring = keyring_folder(prepared.state)
            left = await follow_removals(prepared.users, hub, tracking, keyring)
        if left:
            _log.warning("Removed users still known to the hub: %s", ", ".join(left))

    async def _renew_routes(self) -> None:
        """Give a proxy that was started again its routes; a starting hub does it."""
        if not self._supervisor.child(HUB).ready.is_set():
            return
        try:
            async with self._hub() as hub:
                await hub.renew_routes()
        except HubError as error:
            _log.warning("The proxy's routes are renewed by the hub later. %s", error)

    def _hub(self) -> HubApi:
        token = self._prepared.state.secret(f"{SUPERVISOR}-token")
        return HubApi(hub_url(self._prepared.ports), token)

    async def _stop_all(self) -> None:
        supervisor = self._supervisor
        if self._follow is not None:
            self._follow.cancel()
            with contextlib.suppress(asyncio.CancelledError, HubError, TrackingError):
                await self._follow
            self._follow = None
        agents = [supervisor.stop(program) for program in self._agents]
        await asyncio.gather(self._end_labs(), *agents)
        await supervisor.stop(HUB)
        await self._sweep_labs()
        engines = [engine_program(engine.node) for engine in self._simulated]
        last = (*engines, BOARD, PROXY, TRACKING)
        await asyncio.gather(*(supervisor.stop(name) for name in last))
        if self._simulated:
            await asyncio.to_thread(drop_address, self._prepared.ports.internal)

    async def _end_labs(self) -> None:
        if not self._supervisor.child(HUB).ready.is_set():
            return
        try:
            async with self._hub() as hub:
                await hub.end_labs(within_seconds=_LABS_SECONDS)
        except HubError as error:
            _log.warning("The hub does not end the labs; that is done here. %s", error)

    async def _sweep_labs(self) -> None:
        site_id = self._prepared.state.site_id
        left = await asyncio.to_thread(
            processes.end,
            lambda: processes.marked_of_site(site_id),
            grace_seconds=5.0,
        )
        if left:
            self._say(f"Processes {left} of labs do not end: look at them with ps.")
        engines = self._prepared.engines
        for sentence in await asyncio.to_thread(end_containers, engines, site_id):
            self._say(sentence)

    def _tell_ready(self) -> None:
        for engine in self._prepared.engines:
            self._say(f"Labs and jobs on {engine.node.name}: {engine.why}.")
        self._say(f"Waylab is ready: {public_url(self._prepared.ports)}")
        first = self._prepared.first
        if first and first.password is not None:
            self._say(f"Sign in as {first.name} with the password {first.password}")

    async def _answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        verb = question.get("verb")
        if verb == "status":
            return self._status()
        if verb == "restart":
            return await self._restart(str(question.get("program", "")))
        if verb == "store":
            return {"problem": await self._store_problem()}
        msg = f"The verb {verb!r} is unknown: status, restart or store."
        raise ControlError(msg)

    def _status(self) -> dict[str, Any]:
        state = self._prepared.state
        return {
            "pid": os.getpid(),
            "url": public_url(self._prepared.ports),
            "home": str(state.root),
            "programs": self._supervisor.as_json(),
        }

    async def _restart(self, name: str) -> dict[str, Any]:
        self._supervisor.child(name)
        found = {program.name: program for program in self._programs()}
        if name not in found:
            msg = (
                f"{name} has no place in the site any more: stop Waylab and start it "
                "again."
            )
            raise ControlError(msg)
        await self._supervisor.restart(found[name])
        return self._status()

    def _site(self) -> Site:
        try:
            return load(self._prepared.state.site_file, self._prepared.inventory)
        except SiteError as error:
            raise ControlError(str(error)) from error

    def _programs(self) -> tuple[Program, ...]:
        prepared, site = self._prepared, self._site()
        settings = write_hub_settings(prepared, site)
        return programs(
            Blueprint(
                state=prepared.state,
                site=site,
                ports=prepared.ports,
                inventory=prepared.inventory,
                engines=prepared.engines,
                templates=prepared.templates,
                proxy_command=prepared.proxy,
                base_environment=base_environment(os.environ),
                store_environment=store_environment(os.environ),
                ledger_url=prepared.environment.ledger_database(),
                tracking_url=prepared.environment.tracking_database(site),
                shared_notice=settings.shared_notice,
            )
        )
