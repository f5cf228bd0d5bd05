"""One job from its task to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from waylab_clearml.errors import CredentialsError
from waylab_clearml.verdict import Outcome, Reason, Verdict
from waylab_runner.errors import JobEnd, failed
from waylab_runner.kernel import DEFAULT_KERNEL, Kernel
from waylab_runner.settings import Settings

if TYPE_CHECKING:
    from waylab_clearml.client import Client
    from waylab_runner.page_process import PageProcess
    from waylab_runner.results import Results
    from waylab_runner.source import Inputs

logger = logging.getLogger(__name__)

OUTPUT_NAME = "output.ipynb"
EXIT_CODES = {Outcome.COMPLETED: 0, Outcome.FAILED: 1, Outcome.STOPPED: 143}
# How long an interrupted cell may take to end before its kernel is killed.
INTERRUPT_SECONDS = 3.0
# How long a kernel may take to end by itself: the SDK in it flushes what it has.
FLUSH_SECONDS = 60.0
HURRIED_SECONDS = 5.0
# How long the last outputs may take to reach a server that is away for a while.
DELIVERY_SECONDS = 600.0


def run_job() -> int:
    """Run the job that the environment names; give the exit code."""
    logging.basicConfig(
        level=logging.WARNING, format="[waylab] %(levelname)s: %(message)s"
    )
    try:
        settings = Settings.from_environ()
    except CredentialsError as error:
        sys.stderr.write(f"[waylab] {error}\n")
        return EXIT_CODES[Outcome.FAILED]
    # What these report as errors ends in the verdict anyway.
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    verdict = asyncio.run(Job(settings).run())
    return EXIT_CODES[verdict.outcome]


class Job:
    """A job; `run` may be called once."""

    def __init__(self, settings: Settings) -> None:
        """Prepare a job; nothing happens yet."""
        self._settings = settings
        self._started = time.monotonic()
        self._work = settings.job_dir / "work"
        self._aborted = asyncio.Event()
        self._kernel: Kernel | None = None
        self._execution: Any = None
        self._inputs: Inputs | None = None
        self._notebook: Any = None
        self._time_limit: float | None = None
        self._client: Any = None
        self._live: Any = None
        self._console: Any = None
        self._page: PageProcess | None = None
        self._kernel_token = settings.credentials.token

    async def run(self) -> Verdict:
        """Run the job; whatever happens ends in the verdict that is given."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._aborted.set)
        work = asyncio.create_task(self._do())
        verdict = await self._supervise(work)
        await self._finish(verdict)
        return verdict

    async def _do(self) -> Verdict:
        """Do the work; JobEnd carries every end but a good one."""
        self._work.mkdir(parents=True, exist_ok=True)
        # The kernel boots on another core while this process imports and fetches.
        with contextlib.suppress(JobEnd):
            self._kernel = await self._start_kernel(DEFAULT_KERNEL)
        self._inputs = inputs = await asyncio.to_thread(self._fetch)
        self._notebook = inputs.notebook
        injection = importlib.import_module("waylab_runner.injection")
        values = injection.values_for(inputs.notebook, inputs.hyperparams)
        self._time_limit = injection.time_limit_for(inputs.hyperparams)
        await self._use_kernel_of(inputs.notebook)
        kernel = self._kernel
        if kernel is None:
            raise failed(Reason.KERNEL_MISSING, "There is no kernel to run it.")
        _, self._notebook = await asyncio.gather(
            kernel.ready(),
            asyncio.to_thread(injection.inject, inputs.notebook, values),
        )
        folder = (self._work / inputs.notebook_path).parent
        if _is_python(self._notebook):
            await kernel.settle(folder, self._settings.task_id)
        self._live.start(self._notebook)
        # Not before: until here the kernel's start needs the other core.
        self._page = page = self._start_page(inputs)
        execution = importlib.import_module("waylab_runner.execution")
        self._execution = execution.Execution(
            self._notebook, kernel, (self._live, page), self._console
        )
        verdict: Verdict = await self._execution.run(self._refresh_token)
        return verdict

    def _fetch(self) -> Inputs:
        """Import what the fetching needs, then fetch and check the input."""
        errors = importlib.import_module("waylab_clearml.errors")
        source = importlib.import_module("waylab_runner.source")
        settings = self._settings
        client = self._connection()
        try:
            task = client.call("tasks.get_by_id", {"task": settings.task_id})
            inputs: Inputs = source.fetch(client, task["task"], self._work)
        except errors.ClearMLError as error:
            raise failed(
                Reason.START_FAILED, f"The job has no input: {error}"
            ) from error
        finally:
            importlib.import_module("waylab_runner.execution")
        live_report = importlib.import_module("waylab_runner.live_report")
        console = importlib.import_module("waylab_runner.console")
        # Live output is a service: it must not wait long for a server that is away.
        self._live = live_report.LiveReport(client, settings.task_id, inputs.folder)
        self._console = console.Console()
        return inputs

    def _connection(self) -> Client:
        """Give the client, made (and its libraries imported) when first needed."""
        if self._client is None:
            module = importlib.import_module("waylab_clearml.client")
            self._client = module.Client(
                self._settings.credentials, timeout_seconds=DELIVERY_SECONDS
            )
        found: Client = self._client
        return found

    async def _start_kernel(self, name: str) -> Kernel:
        return await Kernel.start(
            name, cwd=self._work, environment=self._settings.environment
        )

    async def _use_kernel_of(self, notebook: Any) -> None:
        """Have the kernel that the notebook names, if it is not the early one."""
        spec = notebook.metadata.get("kernelspec") or {}
        name = spec.get("name") or DEFAULT_KERNEL
        if self._kernel is not None and self._kernel.name == name:
            return
        if self._kernel is not None:
            await self._kernel.kill()
            await self._kernel.end(HURRIED_SECONDS)
            self._kernel = None
        self._kernel = await self._start_kernel(name)

    async def _refresh_token(self) -> None:
        """Give the SDK in the kernel the job's newest token before a cell."""
        token = self._client.current_token
        if self._kernel_token in {None, token} or self._kernel is None:
            return
        self._kernel_token = token
        if _is_python(self._notebook):
            await self._kernel.set_variable("CLEARML_AUTH_TOKEN", token)

    async def _supervise(self, work: asyncio.Task[Verdict]) -> Verdict:
        """Wait for the work's end, an abort or the time limit."""
        aborted = asyncio.create_task(self._aborted.wait())
        try:
            while True:
                await asyncio.wait(
                    {work, aborted},
                    timeout=self._time_left() if self._execution else 1.0,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if work.done():
                    return self._verdict_of(work)
                if aborted.done():
                    message = f"Aborted{self._where()}."
                    return await self._stop(
                        work, Outcome.STOPPED, Reason.ABORTED, message
                    )
                left = self._time_left()
                if left is not None and left <= 0:
                    message = (
                        f"The time limit of {self._time_limit:g} s was reached"
                        f"{self._where()}."
                    )
                    return await self._stop(
                        work, Outcome.FAILED, Reason.TIMEOUT, message
                    )
        finally:
            aborted.cancel()

    def _time_left(self) -> float | None:
        if self._time_limit is None:
            return None
        return self._started + self._time_limit - time.monotonic()

    def _where(self) -> str:
        number = self._execution.here.number if self._execution else 0
        return f" in cell {number}" if number else ""

    def _verdict_of(self, work: asyncio.Task[Verdict]) -> Verdict:
        try:
            return work.result()
        except JobEnd as end:
            return end.verdict
        except Exception as error:  # The last boundary: an own fault is a failure.
            logger.exception("The runner itself failed")
            return Verdict(
                Outcome.FAILED,
                Reason.START_FAILED if self._execution is None else Reason.KERNEL_DIED,
                f"The runner itself failed{self._where()}: {error!r}",
            )

    async def _stop(
        self,
        work: asyncio.Task[Verdict],
        outcome: Outcome,
        reason: Reason,
        message: str,
    ) -> Verdict:
        """Bring the work to an end: by interrupting, then by killing the kernel."""
        if self._execution is not None:
            self._execution.halted = True
            here = self._execution.here
            verdict = Verdict(
                outcome,
                reason,
                message,
                cell=here.place,
                cell_id=here.cell_id,
                number=here.number or None,
            )
        else:
            verdict = Verdict(outcome, reason, message)
        if self._kernel is not None and self._execution is not None:
            await self._kernel.interrupt()
            await asyncio.wait({work}, timeout=INTERRUPT_SECONDS)
        if not work.done() and self._kernel is not None:
            await self._kernel.kill()
            await asyncio.wait({work}, timeout=INTERRUPT_SECONDS)
        work.cancel()
        await asyncio.wait({work}, timeout=INTERRUPT_SECONDS)
        return verdict

    async def _finish(self, verdict: Verdict) -> None:
        """End the kernel, keep what there is, and write the verdict."""
        results = importlib.import_module("waylab_runner.results")
        results.write_verdict(verdict, self._settings.job_dir)
        if self._console is not None:
            self._console.say(f"[waylab] {verdict.reason.value}: {verdict.message}")
        else:
            sys.stderr.write(f"[waylab] {verdict.reason.value}: {verdict.message}\n")
        if self._live is not None:
            self._live.halt()
        await asyncio.gather(self._end_kernel(verdict), self._keep())
        if self._page is not None:
            self._page.end()
        keeper = results.Results(self._connection(), self._settings.task_id, "")
        await asyncio.to_thread(self._attempt, keeper.conclude, verdict)

    async def _end_kernel(self, verdict: Verdict) -> None:
        kernel, self._kernel = self._kernel, None
        if kernel is None:
            return
        hurried = verdict.outcome is Outcome.STOPPED or verdict.reason is Reason.TIMEOUT
        await kernel.end(HURRIED_SECONDS if hurried else FLUSH_SECONDS)

    async def _keep(self) -> None:
        """Upload the output notebook and its page, side by side."""
        if self._inputs is None:
            return
        if self._execution is not None:
            self._attempt(self._execution.set_widgets_metadata)
        results = importlib.import_module("waylab_runner.results")
        keeper = results.Results(
            self._client, self._settings.task_id, self._inputs.folder
        )
        stem = self._inputs.notebook_path.stem
        await asyncio.gather(
            asyncio.to_thread(self._keep_notebook, keeper, stem),
            asyncio.to_thread(self._attempt, self._keep_page, keeper, self._inputs),
        )

    def _keep_page(self, keeper: Results, inputs: Inputs) -> None:
        maker = self._page = self._page or self._start_page(inputs)
        keeper.keep_page(maker, self._notebook, inputs.notebook_path.stem)

    def _start_page(self, inputs: Inputs) -> PageProcess:
        page_process = importlib.import_module("waylab_runner.page_process")
        started: PageProcess = page_process.PageProcess(
            self._settings.job_dir, self._notebook, inputs.notebook_path.stem
        )
        return started

    def _keep_notebook(self, keeper: Results, stem: str) -> None:
        path = self._settings.job_dir / OUTPUT_NAME
        kept = self._attempt(keeper.keep_notebook, self._notebook, path, stem)
        self._live.stop(wait_seconds=DELIVERY_SECONDS)
        if not kept:
            self._attempt(self._live.send_rest)

    def _attempt(self, step: Callable[..., None], *arguments: Any) -> bool:
        """Do one step of the end; its failure must not keep the others from it."""
        try:
            step(*arguments)
        except Exception:  # A verdict matters more than any of the files.
            logger.exception("A part of the result could not be kept")
            return False
        return True


def _is_python(notebook: Any) -> bool:
    metadata = notebook.metadata
    language = (metadata.get("kernelspec") or {}).get("language") or (
        metadata.get("language_info") or {}
    ).get("name")
    return (language or "python").lower() == "python"
