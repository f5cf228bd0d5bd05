"""Cell by cell through a notebook with nbclient, telling listeners what happens."""

from __future__ import annotations

import copy
import importlib
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zmq import EVENTS

from waylab_clearml.verdict import Outcome, Reason, Verdict
from waylab_runner.console import Console
from waylab_runner.errors import JobEnd
from waylab_runner.kernel import Kernel

if TYPE_CHECKING:
    from nbclient import NotebookClient
else:
    NotebookClient = importlib.import_module("nbclient").NotebookClient

logger = logging.getLogger(__name__)

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Listener(Protocol):
    """Follows the cells of a run; called in the order of events, from one thread.

    The cells that it is given are copies, which nobody changes.
    """

    def cell_started(self, place: int) -> None:
        """Note that a cell runs now."""

    def cell_finished(self, place: int, cell: Any, *, well: bool) -> None:
        """Note a cell's outputs, as they are now, and whether it ran through."""


@dataclass(frozen=True)
class Here:
    """Where a run is: the cell that runs, or ran last.

    `place` counts all cells of the notebook from 0; `number` counts code cells from 1,
    as the console does and as people do.
    """

    place: int | None = None
    cell_id: str | None = None
    number: int = 0


class Execution(NotebookClient):
    """Runs the cells of one notebook in one kernel."""

    def __init__(
        self,
        notebook: Any,
        kernel: Kernel,
        listeners: Sequence[Listener],
        console: Console,
    ) -> None:
        """Take a kernel that is ready; nothing runs yet."""
        super().__init__(notebook, km=kernel.manager, timeout=None)
        self.kc = kernel.client
        self.kernel = kernel
        self.here = Here()
        self.halted = False
        self._listeners = listeners
        self._console = console
        self._changed: set[int] = set()
        self._reply: dict[str, Any] = {}
        self.on_cell_executed = self._remember_reply

    async def run(self, before_cell: Callable[[], Any] | None = None) -> Verdict:
        """Run every cell; give the verdict of a notebook that ran through.

        `before_cell` is awaited before each cell. Setting `halted` keeps further
        cells from starting; who sets it knows the verdict.

        Raises:
            JobEnd: with the verdict of any other end.
        """
        cells = self.nb.cells
        code = [place for place, cell in enumerate(cells) if _runs(cell)]
        for number, place in enumerate(code, start=1):
            cell = cells[place]
            self.here = Here(place, cell.get("id"), number)
            self.kernel.note_memory()
            if before_cell is not None:
                await before_cell()
            if self.halted:
                return Verdict(Outcome.STOPPED, Reason.ABORTED, "Halted.")
            self._console.say(f"[waylab] Cell {number} of {len(code)}")
            for listener in self._listeners:
                listener.cell_started(place)
            well = False
            try:
                await self._run_cell(cell, place, len(code) - number)
                well = True
            finally:
                self._tell_finished(place, well=well)
                self._tell_changed(place)
            self._look_for_exit(len(code) - number)
        return Verdict(
            Outcome.COMPLETED, Reason.COMPLETED, f"All cells ran through ({len(code)})."
        )

    async def _run_cell(self, cell: Any, place: int, left: int) -> None:
        exceptions = importlib.import_module("nbclient.exceptions")
        self._reply = {}
        try:
            await self.async_execute_cell(
                cell, place, execution_count=self.code_cells_executed + 1
            )
        except exceptions.CellExecutionError:
            self._look_for_exit(left)
            raise self._cell_error(cell, place) from None
        except exceptions.DeadKernelError:
            reason, words = await self.kernel.death()
            message = f"The kernel died in cell {self.here.number}: {words}."
            raise JobEnd(self._verdict(Outcome.FAILED, reason, message)) from None

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Handle a message as nbclient does, and copy text to the console."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            self._console.write(content["text"])
        elif kind in {"execute_result", "display_data"}:
            self._console.write(f"{content['data'].get('text/plain', '')}\n")
        elif kind == "error":
            self._console.write("\n".join([*content["traceback"], ""]))
        try:
            return super().process_message(msg, cell, cell_index)
        finally:
            self._wake_for_replies()

    def _wake_for_replies(self) -> None:
        """Have a reply noticed that came while nbclient sent to the kernel.

        nbclient answers an output widget's messages on the shell's socket past the
        event loop (`Session.send` shadows it), and ZeroMQ tells of what comes in once
        only: the reply to the cell was lost if that sending took the news of it
        (https://github.com/jupyter/nbclient/issues/312). Asking for the socket's events
        makes pyzmq look again.
        """
        self.kernel.client.shell_channel.socket.get(EVENTS)

    def handle_comm_msg(self, outs: Any, msg: dict[str, Any], cell_index: int) -> None:
        """Keep a widget's state as nbclient does; what is no widget's is left out.

        nbclient takes it that every message has all that ipywidgets sends, and ends the
        run with a `KeyError` if not.
        """
        try:
            super().handle_comm_msg(outs, msg, cell_index)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            logger.warning("A widget's message could not be read: %r", error)

    def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
        self._changed.update(self._display_id_map.get(display_id, ()))
        super()._update_display_id(display_id, msg)

    def _tell_finished(self, place: int, *, well: bool) -> None:
        # Copies are cheap, as texts are not copied.
        cell = copy.deepcopy(self.nb.cells[place])
        for listener in self._listeners:
            listener.cell_finished(place, cell, well=well)

    def _tell_changed(self, place: int) -> None:
        """Tell of earlier cells whose displays this one has updated."""
        changed, self._changed = self._changed - {place}, set()
        for other in sorted(changed):
            self._tell_finished(other, well=True)

    def _remember_reply(self, execute_reply: dict[str, Any], **_: Any) -> None:
        self._reply = execute_reply["content"]

    def _look_for_exit(self, left: int) -> None:
        """End the job if the cell just run asked for it (`sys.exit`, `exit`)."""
        asked = any(
            payload.get("source") == "ask_exit"
            for payload in self._reply.get("payload") or ()
        )
        if self._reply.get("ename") != "SystemExit" and not asked:
            return
        status = "" if asked else str(self._reply.get("evalue") or "").strip()
        good = status in {"", "0", "None", "False"}
        how = "exit()" if asked else f"sys.exit({status})"
        message = (
            f"The notebook ended itself in cell {self.here.number} with {how}; "
            f"{left} {'cell was' if left == 1 else 'cells were'} not run."
        )
        outcome = Outcome.COMPLETED if good else Outcome.FAILED
        raise JobEnd(self._verdict(outcome, Reason.SYSTEM_EXIT, message))

    def _cell_error(self, cell: Any, place: int) -> JobEnd:
        name = str(self._reply.get("ename") or "Error")
        value = str(self._reply.get("evalue") or "")
        first = value.strip().splitlines()[0][:300] if value.strip() else ""
        traceback = tuple(
            ANSI.sub("", str(line)) for line in self._reply.get("traceback") or ()
        )
        message = (
            f"Cell {self.here.number} failed: {name}{f': {first}' if first else ''}"
        )
        return JobEnd(
            Verdict(
                Outcome.FAILED,
                Reason.CELL_ERROR,
                message,
                cell=place,
                cell_id=cell.get("id"),
                number=self.here.number,
                ename=name,
                evalue=value,
                traceback=traceback,
            )
        )

    def _verdict(self, outcome: Outcome, reason: Reason, message: str) -> Verdict:
        return Verdict(
            outcome,
            reason,
            message,
            cell=self.here.place,
            cell_id=self.here.cell_id,
            number=self.here.number or None,
        )


def _runs(cell: Any) -> bool:
    return bool(cell.cell_type == "code" and cell.source.strip())
