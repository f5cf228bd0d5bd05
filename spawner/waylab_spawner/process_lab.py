"""Labs as processes on the hub's own machine."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path
from subprocess import Popen
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from jupyterhub.utils import random_port

from waylab_engine.marks import LEASE_MARK, lease_mark, scope
from waylab_engine.plans import visible
from waylab_ledger.values import Proof, ProofKind
from waylab_site.accounts import Account, Accounts
from waylab_site.errors import AccountError
from waylab_site.slug import slug
from waylab_spawner import processes
from waylab_spawner.environment import kept, lab_environment
from waylab_spawner.errors import PlaceError
from waylab_spawner.logs import open_log, tail
from waylab_spawner.order import Ended, Look, Order, Running, Unknown
from waylab_spawner.steps import Steps
from waylab_spawner.surroundings import Surroundings

_AT_START_SECONDS = 2.0


class ProcessLab(LocalProcessSpawner):  # type: ignore[misc]
    """One start of a lab under its user's account.

    Every process of a lab carries a mark in its environment, so that nothing of a lab
    outlives it, not even after a crash of the hub.
    """

    proc: Popen[bytes] | None

    def __init__(
        self, surroundings: Surroundings, steps: Steps, **options: Any
    ) -> None:
        """Nothing is started before `start`."""
        super().__init__(**{**options, "env_keep": []})
        self.order: Order | None = None
        self._surroundings = surroundings
        self._steps = steps
        self._started = 0.0
        self._log_path = Path(surroundings.logs) / f"{self._file_name()}.log"

    @property
    def mark(self) -> str:
        """The mark of this lab's processes."""
        return f"{self._surroundings.site_id}/{self.user.name}/{self.name}"

    async def start(self) -> tuple[str, int]:
        """Start the lab and give where it will answer.

        Raises:
            PlaceError: the account cannot be had, or the program cannot be started.
        """
        order = self.order
        if order is None:
            msg = "A lab is started with an order only."
            raise PlaceError(msg)
        self._steps.tell(20, "Getting your account ready.")
        accounts = Accounts(Path(self._surroundings.homes), self._surroundings.isolated)
        try:
            account = await asyncio.to_thread(accounts.ensure, self.user.name)
        except AccountError as error:
            raise PlaceError(str(error)) from error
        # What a crashed hub may have left behind of this very lab.
        await self._end_marked(_AT_START_SECONDS)
        self.notebook_dir = str(account.home)
        self.default_url = "/lab"
        self.port = random_port()
        self._popen(account, self._environment(account, order))
        self._steps.tell(75, "JupyterLab is starting.")
        return ("127.0.0.1", self.port)

    async def look(self) -> Look:
        """Tell whether the lab's own process lives."""
        if self.proc is not None:
            status: int | None = self.proc.poll()
            return Running() if status is None else self._gone(status)
        if self.pid and processes.is_same(self.pid, self._started):
            return Running()
        return self._gone(0)

    async def end(self, grace_seconds: float) -> Look:
        """End the lab and all that belongs to it."""
        if self.pid and isinstance(await self.look(), Running):
            pid, started = self.pid, self._started

            def lab() -> tuple[int, ...]:
                if self.proc is not None:
                    self.proc.poll()  # Or it would stay a zombie.
                return (pid,) if processes.is_same(pid, started) else ()

            await asyncio.to_thread(processes.end, lab, grace_seconds=grace_seconds)
            lab()
        left = await self._end_marked(_AT_START_SECONDS)
        if left:
            self.log.error("Processes %s of %s do not end.", left, self._log_name)
            return Unknown(f"the processes {left} of the lab do not end")
        return self._gone(0)

    async def clear_away(self) -> bool:
        """Nothing is left of a process."""
        return True

    async def prepare(self, order: Order) -> None:
        """Take the order."""
        self.order = order

    def identity(self) -> tuple[str | None, str | None]:
        """Give no engine, and the process."""
        return None, str(self.pid) if self.pid else None

    async def find(self) -> str | None:
        """Say that there may be processes of this lab, which `end` ends."""
        return ""

    async def log_tail(self) -> str:
        """Give the end of the lab's log as its user may see it."""
        return await asyncio.to_thread(tail, self._log_path)

    async def address(self) -> tuple[str, int] | None:
        """The hub knows where a process answers."""
        return None

    async def poll(self) -> int | None:
        """Give None while the lab runs, else its exit status."""
        seen = await self.look()
        return seen.exit_status if isinstance(seen, Ended) else None

    async def stop(self, now: bool = False) -> None:
        """End the lab; `now` skips the grace time."""
        await self.end(0.0 if now else self._surroundings.grace_seconds)

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

    def _gone(self, status: int) -> Ended:
        proof = Proof(ProofKind.PROCESSES_GONE, by="hub", detail=f"status {status}")
        return Ended(proof, status, f"exit status {status}")

    def _file_name(self) -> str:
        return f"lab-{slug(self.user.name)}" + (f"-{self.name}" if self.name else "")

    def _environment(self, account: Account, order: Order) -> dict[str, str]:
        ours = lab_environment(
            account,
            order.choice.profile,
            mark=self.mark,
            templates=Path(self._surroundings.notebook_templates),
        )
        return {
            **kept(os.environ),
            **self.get_env(),
            **ours,
            **self._devices(order),
            **order.environment,
        }

    def _devices(self, order: Order) -> dict[str, str]:
        """Let the lab see the devices of its lease, and bear its mark."""
        if not order.lease:
            return {}
        here = scope(self._surroundings.site_id, order.place.node)
        mark = lease_mark(here, order.lease, str(order.holder), order.devices)
        gpus = ",".join(visible(order.devices))
        return {
            "CUDA_VISIBLE_DEVICES": gpus,
            "NVIDIA_VISIBLE_DEVICES": gpus or "void",
            LEASE_MARK: mark,
        }

    def _popen(self, account: Account, environment: dict[str, str]) -> None:
        identity: dict[str, Any] = {}
        if self._surroundings.isolated:
            identity = {"user": account.uid, "group": account.gid, "extra_groups": []}
        # A script, not `python -m`: that would put the home on the module path.
        program = str(Path(sys.executable).with_name("jupyterhub-singleuser"))
        try:
            log = open_log(self._log_path)
            try:
                self.proc = Popen(  # noqa: S603 - the command is the hub's own.
                    [program, *self._surroundings.lab_arguments],
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
            raise PlaceError(msg) from error
        self.pid = self.proc.pid
        self._started = processes.started_at(self.pid) or 0.0

    async def _end_marked(self, grace_seconds: float) -> tuple[int, ...]:
        mark = self.mark
        return await asyncio.to_thread(
            processes.end,
            lambda: processes.marked(mark),
            grace_seconds=grace_seconds,
        )
