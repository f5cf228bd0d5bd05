"""Labs as processes on the hub's own machine."""

from __future__ import annotations

import asyncio
import html
import os
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
from jupyterhub.spawner import LocalProcessSpawner, SpawnException
from jupyterhub.utils import maybe_future, random_port, url_path_join
from pydantic import TypeAdapter, ValidationError
from traitlets import Bool, Float, List, TraitError, Unicode, default, validate

from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_site.accounts import Account, Accounts
from waylab_site.errors import AccountError
from waylab_site.model import Profile
from waylab_site.slug import slug
from waylab_spawner import form, processes
from waylab_spawner.environment import kept, lab_environment
from waylab_spawner.errors import OptionsError, TrackingError
from waylab_spawner.logs import open_log, tail
from waylab_spawner.options import choose, from_form, offered
from waylab_spawner.tracking import KeyPair, Role, Tracking

_PROFILES = TypeAdapter(tuple[Profile, ...])
_READY_PAUSE_SECONDS = 0.1
_SERVER_ERROR = 500
_GRACE_SECONDS = 10.0


class WaylabProcessSpawner(LocalProcessSpawner):  # type: ignore[misc]
    """Starts a lab under its user's account, with keys of its own for tracking.

    Every process of a lab carries a mark in its environment, so that nothing of a lab
    outlives it, not even after a crash of the hub.
    """

    site_id = Unicode(
        help="The site's id, the first part of every lab's mark. Example: `a1b2c3d4`.",
    ).tag(config=True)
    profiles: Any = List(
        help="""The profiles of the site as tables of waylab.toml; those that ask for
        a GPU are not offered. Example: `[{"name": "small", "title": "Small"}]`.""",
    ).tag(config=True)
    homes = Unicode(
        help="The folder of the users' homes. Example: `/srv/waylab/homes`.",
    ).tag(config=True)
    isolated = Bool(
        False,
        help="""Run each lab under a system account of its user; needs root. Off by
        default, as a hub that is not root cannot.""",
    ).tag(config=True)
    lab_logs = Unicode(
        help="The folder of the labs' logs. Example: `/srv/waylab/logs`.",
    ).tag(config=True)
    notebook_templates = Unicode(
        help="The folder of starter notebooks, offered in the lab's launcher.",
    ).tag(config=True)
    tracking_api_url = Unicode(
        help="The tracking server as labs reach it. Example: `http://127.0.0.1:8008`.",
    ).tag(config=True)
    tracking_web_url = Unicode(
        help="The tracking server's pages as browsers reach them.",
    ).tag(config=True)
    tracking_files_url = Unicode(
        help="The tracking server's files as labs reach them.",
    ).tag(config=True)
    tracking_key_file = Unicode(
        help="The 0600 file with the keys of the `system` principal.",
    ).tag(config=True)
    idle_hours = Float(
        0.0,
        help="Hours after which an unused lab ends; 0, the default, is never.",
    ).tag(config=True)

    _log_path: Path | None = None
    _started: float = 0.0
    proc: Popen[bytes] | None

    def __init__(self, **options: Any) -> None:
        """Nothing is started before `start`."""
        super().__init__(**options)
        self._launched = asyncio.Event()

    @validate("profiles")
    def _check_profiles(self, proposal: Mapping[str, Any]) -> list[dict[str, object]]:
        value: list[dict[str, object]] = proposal["value"]
        try:
            _PROFILES.validate_python(value)
        except ValidationError as error:
            msg = f"WaylabProcessSpawner.profiles do not fit: {error}"
            raise TraitError(msg) from error
        return value

    @default("options_form")
    def _default_options_form(self) -> Any:
        async def render(spawner: WaylabProcessSpawner) -> str:
            choices = spawner._offered()
            if len(choices) == 1:
                return ""  # Nothing to choose: the lab starts at once.
            return form.render(choices, str(spawner.user_options.get("profile", "")))

        return render

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return from_form

    @default("cmd")
    def _default_cmd(self) -> list[str]:
        # A script, not `python -m`: that would put the user's home on the module path.
        return [str(Path(sys.executable).with_name("jupyterhub-singleuser"))]

    @default("env_keep")
    def _default_env_keep(self) -> list[str]:
        return []

    @default("default_url")
    def _default_url_is_the_lab(self) -> str:
        return "/lab"

    @property
    def mark(self) -> str:
        """The mark of this lab's processes."""
        return f"{self.site_id}/{self.user.name}/{self.name}"

    @property
    def key_label(self) -> str:
        """The label of this lab's keys."""
        return f"lab:{self.user.name}/{self.name}"

    async def start(self) -> tuple[str, int]:
        """Start the lab and give its address once it answers.

        Raises:
            SpawnException: the choice makes no sense, the account or the keys cannot
                be had, or the lab ended at once; the text is for its user.
        """
        self._launched.clear()
        try:
            profile = choose(self.user_options or {}, self._offered())
            account = await asyncio.to_thread(
                Accounts(Path(self.homes), self.isolated).ensure, self.user.name
            )
            # What a crashed hub may have left behind of this very lab.
            await self._end_marked()
            keys = await self._make_keys()
        except OptionsError as error:
            raise SpawnException(str(error), reason="options") from error
        except AccountError as error:
            raise SpawnException(
                str(error), reason="account", status_code=500
            ) from error
        except TrackingError as error:
            raise SpawnException(
                str(error), reason="tracking", status_code=503
            ) from error
        self.notebook_dir = str(account.home)
        self.port = random_port()
        self._popen(account, self._environment(account, profile, keys))
        await self._wait_until_ready()
        return ("127.0.0.1", self.port)

    async def poll(self) -> int | None:
        """Give None while the lab runs, else its exit status (0 if unknown)."""
        if self.proc is not None:
            status: int | None = self.proc.poll()
            if status is not None:
                self.clear_state()
            return status
        if self.pid and processes.is_same(self.pid, self._started):
            return None
        self.clear_state()
        return 0

    async def stop(self, now: bool = False) -> None:
        """End the lab and all that belongs to it; `now` skips the grace time."""
        grace = 0.0 if now else _GRACE_SECONDS
        if self.pid and await self.poll() is None:
            pid, started = self.pid, self._started

            def lab() -> tuple[int, ...]:
                if self.proc is not None:
                    self.proc.poll()  # Or it would stay a zombie.
                return (pid,) if processes.is_same(pid, started) else ()

            await asyncio.to_thread(processes.end, lab, grace_seconds=grace)
            lab()
        await self._end_marked()
        self.clear_state()

    async def run_post_stop_hook(self) -> None:
        """Take the keys back, also from a lab that ended by itself."""
        await self._end_marked()
        try:
            async with self._tracking(patience_seconds=3.0) as tracking:
                await tracking.revoke_labelled(self.user.name, self.key_label)
        except TrackingError as error:
            self.log.warning(
                "The keys of %s are not revoked yet; its next start does it. %s",
                self._log_name,
                error,
            )
        await maybe_future(super().run_post_stop_hook())

    async def progress(self) -> AsyncIterator[dict[str, object]]:
        """Say what the page shows while the lab starts."""
        yield {"progress": 10, "message": "Getting your account and keys ready."}
        await self._launched.wait()
        yield {"progress": 50, "message": "The lab is starting."}

    def get_env(self) -> dict[str, str]:
        """Give what JupyterHub wants a lab to know, over a clean slate."""
        return {**kept(os.environ), **super().get_env()}

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Leave the user's variables to the lab's environment."""
        return env

    def load_state(self, state: dict[str, Any]) -> None:
        """Find a lab again after a restart of the hub."""
        super().load_state(state)
        self._started = float(state.get("started", 0.0))

    def get_state(self) -> dict[str, Any]:
        """Give what finds the lab again: process id and start time."""
        state: dict[str, Any] = super().get_state()
        if self.pid:
            state["started"] = self._started
        return state

    def clear_state(self) -> None:
        """Forget the process."""
        super().clear_state()
        self.proc = None
        self._started = 0.0

    def _offered(self) -> tuple[Profile, ...]:
        return offered(_PROFILES.validate_python(self.profiles))

    def _tracking(self, patience_seconds: float = 15.0) -> Tracking:
        system = KeyPair.from_file(Path(self.tracking_key_file))
        return Tracking(
            self.tracking_api_url, system, patience_seconds=patience_seconds
        )

    async def _make_keys(self) -> KeyPair:
        role: Role = "admin" if self.user.admin else "user"
        async with self._tracking() as tracking:
            await tracking.ensure_user(self.user.name, role)
            await tracking.revoke_labelled(self.user.name, self.key_label)
            return await tracking.make_keys(self.user.name, self.key_label)

    def _environment(
        self, account: Account, profile: Profile, keys: KeyPair
    ) -> dict[str, str]:
        credentials = Credentials(
            api_url=self.tracking_api_url,
            web_url=self.tracking_web_url,
            files_url=self.tracking_files_url,
            access_key=keys.access_key,
            secret_key=keys.secret_key,
        )
        ours = lab_environment(
            account, profile, mark=self.mark, templates=Path(self.notebook_templates)
        )
        config = {"JUPYTER_CONFIG_PATH": str(files("waylab_spawner") / "lab_config")}
        return {**self.get_env(), **ours, **config, **sdk_environment(credentials)}

    def _arguments(self) -> list[str]:
        arguments: list[str] = [*self.cmd, *self.get_args()]
        if self.idle_hours:
            seconds = int(self.idle_hours * 3600)
            arguments += [
                f"--ServerApp.shutdown_no_activity_timeout={seconds}",
                f"--MappingKernelManager.cull_idle_timeout={seconds}",
            ]
        return arguments

    def _popen(self, account: Account, environment: dict[str, str]) -> None:
        name = f"lab-{slug(self.user.name)}" + (f"-{self.name}" if self.name else "")
        self._log_path = Path(self.lab_logs) / f"{name}.log"
        identity: dict[str, Any] = {}
        if self.isolated:
            identity = {"user": account.uid, "group": account.gid, "extra_groups": []}
        try:
            log = open_log(self._log_path)
            try:
                self.proc = Popen(  # noqa: S603 - the command is the hub's own.
                    self._arguments(),
                    env=environment,
                    cwd=account.home,
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # A Ctrl-C for the hub is not for labs.
                    umask=0o077,
                    **identity,
                )
            finally:
                os.close(log)
        except OSError as error:
            msg = (
                f"The lab cannot be started ({error}). Ask the admin to run "
                "`waylab doctor`."
            )
            raise SpawnException(msg, reason="start", status_code=500) from error
        self.pid = self.proc.pid
        self._started = processes.started_at(self.pid) or 0.0
        self._launched.set()

    async def _wait_until_ready(self) -> None:
        # JupyterHub's own waiting backs off by seconds; looking often here means that
        # its first look finds the lab.
        url = url_path_join(
            f"http://127.0.0.1:{self.port}", self.server.base_url, "api"
        )
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            while True:
                if self.proc is None or self.proc.poll() is not None:
                    raise self._ended_at_once()
                try:
                    response = await client.get(url)
                    if response.status_code < _SERVER_ERROR:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(_READY_PAUSE_SECONDS)

    def _ended_at_once(self) -> SpawnException:
        status = self.proc.returncode if self.proc is not None else "unknown"
        shown = tail(self._log_path) if self._log_path else ""
        message = f"The lab ended while it started (exit status {status})."
        message_html = f"{html.escape(message)} The end of its log:" + (
            f'<pre class="waylab-log">{html.escape(shown)}</pre>'
        )
        error = SpawnException(
            f"{message} The end of its log:\n{shown}",
            reason="lab-ended",
            log_message=message,
            message_html=message_html,
            status_code=500,
        )
        # What the page of a failed start reads.
        error.jupyterhub_message = message
        error.jupyterhub_html_message = message_html
        return error

    async def _end_marked(self) -> None:
        mark = self.mark
        left = await asyncio.to_thread(
            processes.end, lambda: processes.marked(mark), grace_seconds=2.0
        )
        if left:
            self.log.error("Processes %s of %s do not end.", left, self._log_name)
