"""All programs of a running Waylab, kept running as siblings."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from waylab_hub.errors import ControlError, StartError
from waylab_hub.programs import Program
from waylab_hub.readiness import Probe
from waylab_hub.supervised import AfterAnswer, Report, Supervised
from waylab_site.state import State

_log = logging.getLogger(__name__)

_READY_SECONDS = 120.0
_MOST_DEATHS = 3
_LOG_LINES = 12


class Supervisor:
    """Starts programs, waits for them, restarts and stops them."""

    def __init__(
        self,
        state: State,
        programs: tuple[Program, ...],
        probes: Mapping[str, Probe],
        after_answers: Mapping[str, AfterAnswer] | None = None,
    ) -> None:
        """Nothing is started before `start`; the mappings are by program."""
        self._children = {
            program.name: Supervised(
                program,
                state.lock(program.name),
                probes[program.name],
                (after_answers or {}).get(program.name),
            )
            for program in programs
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The programs in the order of their start."""
        return tuple(self._children)

    def start(self, name: str) -> None:
        """Begin to keep a program running."""
        self._children[name].start()

    async def wait_ready(
        self, name: str, *, timeout_seconds: float = _READY_SECONDS
    ) -> None:
        """Wait until a program answers.

        Raises:
            StartError: it keeps dying, has given up, or does not answer in time.
        """
        child = self._children[name]
        ready = asyncio.create_task(child.ready.wait())
        failed = asyncio.create_task(child.failure())
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        deaths_before = child.deaths
        try:
            while not ready.done():
                await asyncio.wait(
                    {ready, failed},
                    timeout=0.2,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if failed.done():
                    raise failed.result()
                if child.deaths - deaths_before >= _MOST_DEATHS:
                    raise _dies(child)
                if asyncio.get_running_loop().time() > deadline:
                    msg = (
                        f"{name} does not answer after {timeout_seconds:g} s. Look "
                        f"at {child.program.log}."
                    )
                    raise StartError(msg)
        finally:
            ready.cancel()
            failed.cancel()

    async def restart(self, program: Program) -> None:
        """End a program gently and start it again as given; returns when it answers.

        Raises:
            ControlError: it is not one of the programs here.
            StartError: as `wait_ready`.
        """
        child = self.child(program.name)
        await child.restart(program)
        await self.wait_ready(program.name)

    async def stop(self, name: str) -> None:
        """End a program for good."""
        await self._children[name].stop()

    def child(self, name: str) -> Supervised:
        """Give a program under supervision.

        Raises:
            ControlError: it is not one of the programs here.
        """
        if name not in self._children:
            msg = f"There is no program {name!r} here: choose {', '.join(self.names)}."
            raise ControlError(msg)
        return self._children[name]

    def reports(self) -> tuple[Report, ...]:
        """Say how each program is."""
        return tuple(child.report() for child in self._children.values())

    def as_json(self) -> list[dict[str, Any]]:
        """Say how each program is, for the control socket."""
        return [asdict(report) for report in self.reports()]


def _dies(child: Supervised) -> StartError:
    shown = ""
    with contextlib.suppress(OSError):
        text = child.program.log.read_text(encoding="utf-8", errors="replace")
        shown = "\n".join(text.splitlines()[-_LOG_LINES:])
    return StartError(
        f"{child.program.name} ends as soon as it is started. The end of "
        f"{child.program.log}:\n{shown}"
    )
