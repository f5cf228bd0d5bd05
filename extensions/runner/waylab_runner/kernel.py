"""The notebook's kernel: started early, ended on purpose, its death explained."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from waylab_clearml.verdict import Reason
from waylab_runner.errors import failed
from waylab_runner.memory import MemoryWitness

logger = logging.getLogger(__name__)

DEFAULT_KERNEL = "python3"
READY_SECONDS = 120.0
# A socket's path has 107 bytes at most.
MAX_SOCKET_FOLDER = 95
# ipykernel may wait 10 s at its end for a thread that is gone already; what there is
# to flush has been flushed when a cell is over.
QUICK_EXIT = """
import sys as _s
_s.stdout.flush_timeout = _s.stderr.flush_timeout = 0.5
del _s
"""
QUICK_EXIT_SECONDS = 2.0
# Of 1000; see proc_pid_oom_score_adj(5).
KILLED_FIRST = "500"


class Kernel:
    """One kernel process and the connection to it."""

    def __init__(
        self, name: str, manager: Any, witness: MemoryWitness, sockets: Path
    ) -> None:
        """Use `Kernel.start`."""
        self.name = name
        self.manager = manager
        self.client: Any = None
        self._witness = witness
        self._sockets = sockets
        self._ended = False

    @classmethod
    async def start(
        cls, name: str, *, cwd: Path, environment: Mapping[str, str]
    ) -> Kernel:
        """Start a kernel's process; it is not ready yet.

        Raises:
            JobEnd: `kernel-missing`: there is no such kernel here.
        """
        jupyter_client = importlib.import_module("jupyter_client")
        kernelspec = importlib.import_module("jupyter_client.kernelspec")
        witness = MemoryWitness()
        manager = jupyter_client.AsyncKernelManager(kernel_name=name)
        try:
            kernelspec.KernelSpecManager().get_kernel_spec(name)
        except kernelspec.NoSuchKernel as error:
            known = sorted(kernelspec.KernelSpecManager().find_kernel_specs())
            raise failed(
                Reason.KERNEL_MISSING,
                f"There is no kernel {name!r} where this job runs; there are: "
                f"{', '.join(known) or 'none'}. Choose another kernel or image.",
            ) from error
        sockets = _socket_folder(cwd.parent)
        try:
            if manager.ipykernel:
                # Sockets in a folder of this account's own are out of others' reach.
                manager.transport = "ipc"
                manager.ip = str(sockets / "k")
            await manager.start_kernel(
                cwd=str(cwd),
                env=dict(environment),
                extra_arguments=_arguments(manager),
            )
        except (OSError, RuntimeError) as error:
            raise failed(
                Reason.KERNEL_MISSING,
                f"The kernel {name!r} cannot be started: {error}.",
            ) from error
        _offer_to_the_killer(getattr(manager.provisioner, "pid", None))
        return cls(name, manager, witness, sockets)

    async def ready(self) -> Any:
        """Wait until the kernel answers; give the client.

        Raises:
            JobEnd: `kernel-died` or `out-of-memory`: it ended or did not answer.
        """
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            await self.client.wait_for_ready(timeout=READY_SECONDS)
        except RuntimeError as error:
            reason, words = await self.death()
            raise failed(
                reason, f"The kernel {self.name!r} did not start: {words or error}."
            ) from error
        self.client.allow_stdin = False
        return self.client

    async def settle(self, folder: Path, task_id: str) -> None:
        """Put a Python kernel into the notebook's folder and tell it its task.

        `Task.current_task()` of the SDK gives a task before `Task.init` only if
        `CLEARML_PROC_MASTER_ID` (process id and task) names one.
        """
        await self.run_silently(
            "_o = __import__('os')\n"
            f"_o.chdir({str(folder)!r})\n"
            f"_o.environ['CLEARML_PROC_MASTER_ID'] = f'{{_o.getpid()}}:{task_id}'\n"
            "del _o"
        )

    async def set_variable(self, name: str, value: str) -> None:
        """Set an environment variable in a Python kernel."""
        await self.run_silently(f"__import__('os').environ[{name!r}] = {value!r}")

    def note_memory(self) -> None:
        """Take the machine's state as good: later kills for memory are evidence."""
        self._witness.note()

    async def run_silently(self, source: str) -> None:
        """Run code that leaves no trace in the notebook, and wait for it."""
        message_id = self.client.execute(source, silent=True, store_history=False)
        async with asyncio.timeout(READY_SECONDS):
            while True:
                reply = await self.client.get_shell_msg()
                if reply["parent_header"].get("msg_id") == message_id:
                    return

    async def interrupt(self) -> None:
        """Interrupt what runs, as Ctrl-C would."""
        with contextlib.suppress(RuntimeError, OSError):
            await self.manager.interrupt_kernel()

    async def kill(self) -> None:
        """Kill the kernel's process group at once; `end` is still to be called."""
        with contextlib.suppress(RuntimeError, OSError):
            await self.manager.signal_kernel(signal.SIGKILL)

    async def end(self, seconds: float) -> None:
        """End the kernel; what runs in it gets some time to flush. May be repeated."""
        if self._ended:
            return
        self._ended = True
        try:
            alive = await self.manager.is_alive()
            if alive and self.manager.ipykernel and self.client is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(QUICK_EXIT_SECONDS):
                        await self.run_silently(QUICK_EXIT)
            self.manager.shutdown_wait_time = seconds
            await self.manager.shutdown_kernel(now=not alive)
        except (RuntimeError, OSError) as error:
            logger.warning("The kernel did not end in order: %s", error)
        finally:
            if self.client is not None:
                self.client.stop_channels()
            shutil.rmtree(self._sockets, ignore_errors=True)

    async def death(self) -> tuple[Reason, str]:
        """Give the reason of a kernel's unexpected end, and words for it."""
        code = await self._exit_code()
        if code is None:
            return Reason.KERNEL_DIED, "it stopped answering"
        if code == -signal.SIGKILL and self._witness.killed_since():
            return (
                Reason.OUT_OF_MEMORY,
                "the system killed it because the job's memory ran out",
            )
        if code < 0:
            with contextlib.suppress(ValueError):
                return Reason.KERNEL_DIED, f"killed by {signal.Signals(-code).name}"
            return Reason.KERNEL_DIED, f"killed by signal {-code}"
        return Reason.KERNEL_DIED, f"it ended with exit code {code}"

    async def _exit_code(self) -> int | None:
        provisioner = self.manager.provisioner
        if provisioner is None:
            return None
        # The death was noticed by its socket or by polling; the exit follows at once.
        for _ in range(20):
            code: int | None = await provisioner.poll()
            if code is not None:
                return code
            await asyncio.sleep(0.05)
        return None


def _offer_to_the_killer(pid: int | None) -> None:
    """Have the kernel killed first where memory runs out.

    The runner is to outlive it, to say so and to keep the notebook. What the kernel
    starts later inherits this.
    """
    with contextlib.suppress(OSError):  # It has ended, or there is no such file here.
        Path(f"/proc/{pid}/oom_score_adj").write_text(KILLED_FIRST, encoding="ascii")


def _socket_folder(job_dir: Path) -> Path:
    """Make a folder for sockets: the job's, which is cleared away with the job."""
    folder = job_dir / "kernel"
    if len(os.fsencode(folder)) > MAX_SOCKET_FOLDER:
        return Path(tempfile.mkdtemp(prefix="waylab-kernel-"))
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _arguments(manager: Any) -> list[str]:
    # History would be a SQLite file in the home, locked by every parallel job.
    return ["--HistoryManager.hist_file=:memory:"] if manager.ipykernel else []
