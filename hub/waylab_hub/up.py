"""`waylab up`: from the state folder to a running Waylab, and to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from waylab_hub import control, passwords, ports
from waylab_hub.assemble import SUPERVISOR
from waylab_hub.errors import ControlError, HubError, StartError
from waylab_hub.hub_api import HubApi
from waylab_hub.places import proxy_command, templates_root
from waylab_hub.programs import (
    AGENT,
    HUB,
    PROXY,
    TRACKING,
    Blueprint,
    Program,
    agent_key_file,
    hub_settings_file,
    programs,
    public_url,
    tracking_url,
)
from waylab_hub.provisioning import (
    SYSTEM_KEY_FILE,
    ensure_agent_keys,
    ensure_operator,
    ensure_queues,
    ensure_system_keys,
    ensure_users,
    follow_removals,
)
from waylab_hub.reachable import check_reachable
from waylab_hub.readiness import probes
from waylab_hub.settings import Environment, HubSettings
from waylab_hub.supervised import end_holder
from waylab_hub.supervisor import Supervisor
from waylab_hub.users import User, Users
from waylab_site.errors import AlreadyRunningError, StateError
from waylab_site.inventory import Inventory, this_machine
from waylab_site.loading import default_text, load
from waylab_site.model import Site
from waylab_site.state import State, barrier, write_private
from waylab_spawner import processes
from waylab_spawner.environment import SYSTEM_PATH, kept
from waylab_spawner.errors import TrackingError
from waylab_spawner.tracking import Tracking

_log = logging.getLogger(__name__)

FIRST_ADMIN = "admin"
_LABS_SECONDS = 20.0
_PASSED_ON = ("HOME", "TMPDIR")

Say = Callable[[str], None]


@dataclass(frozen=True)
class FirstSignIn:
    """What is told once, at the first start; `password` is None if it was preset."""

    name: str
    password: str | None = field(repr=False)


@dataclass(frozen=True)
class Prepared:
    """All that has to be there before a program is started."""

    state: State
    environment: Environment
    inventory: Inventory
    ports: ports.Ports
    users: Users
    admin: User
    first: FirstSignIn | None
    templates: Path
    proxy: tuple[str, ...]


def prepare(
    state: State, environment: Environment, site_file: Path | None = None
) -> Prepared:
    """Check what can be checked, and make what is missing of a state folder.

    The caller holds the supervisor's lock.

    Raises:
        StartError: a port in use, a proxy that is not there, a closed folder.
        SiteFileError: the site's declaration is wrong.
        StateError: the state folder cannot be used.
    """
    inventory = this_machine()
    templates = templates_root(environment.templates_root)
    proxy = proxy_command(environment.proxy_command)
    if state.isolated:
        check_reachable(templates)
    _place_site(state, site_file, inventory)
    load(state.site_file, inventory)
    _end_leftovers(state)
    chosen = ports.choose(state.ports_file, environment.port)
    users = Users(state.hub / "users.sqlite")
    admin, first = _ensure_admin(users, environment)
    ensure_system_keys(state)
    return Prepared(
        state=state,
        environment=environment,
        inventory=inventory,
        ports=chosen,
        users=users,
        admin=admin,
        first=first,
        templates=templates,
        proxy=proxy,
    )


class Running:
    """A running Waylab: its programs, its control socket, its end."""

    def __init__(self, prepared: Prepared, say: Say) -> None:
        """Nothing is started before `run`; `say` gets each line for the operator."""
        self._prepared = prepared
        self._say = say
        self._stop = asyncio.Event()
        self._client = httpx.AsyncClient(timeout=5.0, trust_env=False)
        self._tracking = Tracking(
            tracking_url(prepared.ports), ensure_system_keys(prepared.state)
        )
        self._node = self._site().local_node
        self._supervisor = Supervisor(
            prepared.state,
            self._programs(),
            probes(
                prepared.ports,
                client=self._client,
                proxy_token=prepared.state.secret("proxy-token"),
                tracking=self._tracking,
                node=self._node.name if self._node else None,
            ),
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
        for name in (TRACKING, PROXY, HUB):
            supervisor.start(name)
        node = self._node
        if node and agent_key_file(state, node.name).exists():
            supervisor.start(AGENT)
        await supervisor.wait_ready(TRACKING)
        await self._provision()
        if node:
            supervisor.start(AGENT)
        for name in supervisor.names:
            await supervisor.wait_ready(name)
        self._follow = asyncio.create_task(self._follow_removals())

    async def _provision(self) -> None:
        prepared = self._prepared
        if self._node:
            await ensure_agent_keys(prepared.state, self._tracking, self._node.name)
        await ensure_operator(
            prepared.state, self._tracking, prepared.ports, prepared.admin
        )
        await ensure_users(self._tracking, prepared.users)
        site = self._site()
        await ensure_queues(self._tracking, (queue.name for queue in site.queues))

    async def _follow_removals(self) -> None:
        async with self._hub() as hub:
            left = await follow_removals(self._prepared.users, hub, self._tracking)
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
        return HubApi(self._prepared.ports.hub, token)

    async def _stop_all(self) -> None:
        supervisor = self._supervisor
        if self._follow is not None:
            self._follow.cancel()
            with contextlib.suppress(asyncio.CancelledError, HubError, TrackingError):
                await self._follow
            self._follow = None
        agent = [supervisor.stop(AGENT)] if AGENT in supervisor.names else []
        await asyncio.gather(self._end_labs(), *agent)
        await supervisor.stop(HUB)
        await self._sweep_labs()
        await asyncio.gather(supervisor.stop(PROXY), supervisor.stop(TRACKING))

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

    def _tell_ready(self) -> None:
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
        msg = f"The verb {verb!r} is unknown: status or restart."
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
        except Exception as error:
            raise ControlError(str(error)) from error

    def _programs(self) -> tuple[Program, ...]:
        prepared, site = self._prepared, self._site()
        write_hub_settings(prepared, site)
        return programs(
            Blueprint(
                state=prepared.state,
                site=site,
                ports=prepared.ports,
                inventory=prepared.inventory,
                proxy_command=prepared.proxy,
                base_environment=base_environment(os.environ),
            )
        )


def write_hub_settings(prepared: Prepared, site: Site) -> None:
    """Write the 0600 file that tells the hub's process all it has to know."""
    state, chosen = prepared.state, prepared.ports
    settings = HubSettings(
        site=site,
        site_id=state.site_id,
        isolated=state.isolated,
        first_admin=prepared.admin.name,
        public_port=chosen.public,
        hub_port=chosen.hub,
        proxy_api_port=chosen.proxy_api,
        tracking_port=chosen.tracking,
        cookie_secret=state.secret("cookie-secret"),
        proxy_token=state.secret("proxy-token"),
        supervisor_token=state.secret(f"{SUPERVISOR}-token"),
        oauth_secret=state.secret("oauth-secret"),
        tracking_key_file=state.secrets / SYSTEM_KEY_FILE,
        folder=state.hub,
        logs=state.root / "logs",
        homes=state.homes,
        pages=prepared.templates / "hub",
        notebooks=prepared.templates,
    )
    write_private(hub_settings_file(state), settings.model_dump_json())


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give what every program gets of the operator's environment."""
    own = {name: environ[name] for name in _PASSED_ON if name in environ}
    # The programs may need what the operator's PATH has (node); labs get their own.
    path = f"{Path(sys.executable).parent}:{environ.get('PATH', SYSTEM_PATH)}"
    return {
        **kept(environ),
        **own,
        "PATH": path,
        "VIRTUAL_ENV": sys.prefix,
        "PYTHONUNBUFFERED": "1",
    }


def up(
    root: Path, environment: Environment, say: Say, site_file: Path | None = None
) -> None:
    """Run Waylab until SIGINT, SIGTERM or SIGHUP.

    Raises:
        HubError, SiteError, SpawnerError: it cannot start; the text is the reason
            and the remedy.
    """
    state = State.open(root)
    try:
        lock = state.lock("supervisor").acquire()
    except AlreadyRunningError as error:
        holder = f" (process {error.pid})" if error.pid else ""
        msg = (
            f"Waylab runs already{holder} with the state folder {root}: stop that one "
            "with Ctrl-C, or name another folder in WAYLAB_HOME."
        )
        raise StartError(msg) from error
    try:
        prepared = prepare(state, environment, site_file)
        if not state.homes.is_relative_to(state.root):
            say(
                f"Homes are in {state.homes}, as {barrier(root.parent)} is closed to "
                "the users' own accounts."
            )
        asyncio.run(_run(prepared, say))
    finally:
        lock.release()


async def _run(prepared: Prepared, say: Say) -> None:
    running = Running(prepared, say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, running.stop)
    await running.run()


def _place_site(state: State, given: Path | None, inventory: Inventory) -> None:
    default = default_text(inventory)
    if given is not None:
        load(given, inventory)
        wanted = given.read_text(encoding="utf-8")
        if state.site_file.exists():
            present = state.site_file.read_text(encoding="utf-8")
            if present not in {wanted, default}:
                msg = (
                    f"{state.site_file} declares another site than {given}: move it "
                    "away, or start without --site."
                )
                raise StateError(msg)
        write_private(state.site_file, wanted)
    elif not state.site_file.exists():
        write_private(state.site_file, default)


def _ensure_admin(
    users: Users, environment: Environment
) -> tuple[User, FirstSignIn | None]:
    admin = users.first_admin()
    if admin is not None:
        return admin, None
    preset = environment.admin_password
    password = preset.get_secret_value() if preset else passwords.generate()
    try:
        admin = users.add(FIRST_ADMIN, password, admin=True, first=True)
    except HubError as error:
        msg = f"WAYLAB_ADMIN_PASSWORD is not accepted: {error}"
        raise StartError(msg) from error
    return admin, FirstSignIn(admin.name, None if preset else password)


def _end_leftovers(state: State) -> None:
    """End what a supervisor that was killed left running; labs and jobs go on."""
    for name in (AGENT, HUB, TRACKING, PROXY):
        end_holder(state.lock(name), grace_seconds=10.0)
