"""Cells run in this process, where a test can hold up what follows them."""

from __future__ import annotations

import asyncio
import io
import os
import time
from pathlib import Path

from tests.waylab_clearml.notebooks import notebook_of

from waylab_clearml.verdict import Reason, Verdict
from waylab_runner.console import Console
from waylab_runner.execution import Execution
from waylab_runner.kernel import Kernel

CELL = """
import ipywidgets
out = ipywidgets.Output()
with out:
    print('inside')
"""


class SlowStream(io.StringIO):
    """A console that takes its time: the cell is over before its text is handled."""

    def write(self, text: str, /) -> int:
        time.sleep(0.3)
        return super().write(text)


async def run(folder: Path, *sources: str) -> Verdict:
    kernel = await Kernel.start("python3", cwd=folder, environment=dict(os.environ))
    try:
        await kernel.ready()
        notebook = notebook_of(*sources)
        execution = Execution(notebook, kernel, (), Console(SlowStream()))
        async with asyncio.timeout(60):
            return await execution.run()
    finally:
        await kernel.end(5.0)


def test_a_reply_that_comes_while_a_widget_is_answered_is_not_lost(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    verdict = asyncio.run(run(folder, CELL, "print('after')"))
    assert verdict.reason is Reason.COMPLETED
