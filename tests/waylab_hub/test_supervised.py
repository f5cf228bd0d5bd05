from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from waylab_hub.errors import ControlError, StartError
from waylab_hub.programs import Program
from waylab_hub.supervised import Condition, Supervised, end_holder
from waylab_hub.supervisor import Supervisor
from waylab_site.state import State

# Says that it is ready by a file, and goes on until a signal.
STAYS = "import pathlib, signal; pathlib.Path('ready').touch(); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"
DIES = "import sys; print('out of luck'); sys.exit(3)"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path / "state", open_root=tmp_path / "open")


@pytest.fixture
def program(state: State) -> Program:
    return _program(state, STAYS)


def _program(state: State, code: str, *, grace_seconds: float = 5.0) -> Program:
    return Program(
        name="sample",
        argv=(sys.executable, "-c", code),
        environment={},
        folder=state.run,
        log=state.log("sample"),
        grace_seconds=grace_seconds,
    )


def _probe(state: State) -> Callable[[], asyncio.Future[bool]]:
    async def probe() -> bool:
        return await asyncio.to_thread((state.run / "ready").exists)

    return lambda: asyncio.ensure_future(probe())


@pytest.fixture
async def supervised(state: State, program: Program) -> AsyncIterator[Supervised]:
    child = Supervised(program, state.lock("sample"), _probe(state))
    yield child
    await child.stop()


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - the state of another process.
            await asyncio.sleep(0.02)


async def test_it_is_ready_when_it_answers_and_its_lock_names_it(
    supervised: Supervised, state: State
) -> None:
    supervised.start()
    await asyncio.wait_for(supervised.ready.wait(), 20)

    report = supervised.report()
    assert report.condition is Condition.READY
    assert state.lock("sample").holder() == report.pid
    assert state.lock("sample").is_held()


async def test_what_dies_is_started_again(
    supervised: Supervised, caplog: pytest.LogCaptureFixture
) -> None:
    supervised.start()
    await asyncio.wait_for(supervised.ready.wait(), 20)
    first = supervised.report().pid
    assert first is not None

    with caplog.at_level(logging.WARNING):
        os.kill(first, signal.SIGKILL)
        await _until(lambda: supervised.report().pid not in {None, first})

    assert supervised.deaths == 1
    assert "sample ended (killed by SIGKILL); it is started again" in caplog.text


async def test_a_restart_takes_the_program_as_it_is_now(
    supervised: Supervised, state: State
) -> None:
    supervised.start()
    await asyncio.wait_for(supervised.ready.wait(), 20)
    first = supervised.report().pid

    await supervised.restart(_program(state, f"open('changed', 'w').close(); {STAYS}"))
    await asyncio.wait_for(supervised.ready.wait(), 20)

    assert supervised.report().pid != first
    await _until((state.run / "changed").exists)
    assert supervised.deaths == 0


async def test_what_ignores_the_signal_is_killed_after_its_grace_time(
    state: State,
) -> None:
    program = _program(state, STUBBORN, grace_seconds=0.3)
    child = Supervised(program, state.lock("sample"), _probe(state))
    child.start()
    await asyncio.wait_for(child.ready.wait(), 20)

    await asyncio.wait_for(child.stop(), 20)

    assert child.report().condition is Condition.STOPPED
    assert child.report().pid is None
    assert not state.lock("sample").is_held()


async def test_children_of_a_dead_program_end_with_it(state: State) -> None:
    code = (
        "import subprocess, sys; "
        "p = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
        f"open('child', 'w').write(str(p.pid)); {STAYS}"
    )
    child = Supervised(_program(state, code), state.lock("sample"), _probe(state))
    child.start()
    await asyncio.wait_for(child.ready.wait(), 20)
    grandchild = int((state.run / "child").read_text())

    await child.stop()

    await _until(lambda: not _runs(grandchild))


async def test_what_keeps_dying_at_the_start_is_an_error_with_its_log(
    state: State,
) -> None:
    supervisor = Supervisor(state, (_program(state, DIES),), {"sample": _probe(state)})
    supervisor.start("sample")

    with pytest.raises(StartError, match=r"(?s)ends as soon as.*out of luck"):
        await supervisor.wait_ready("sample")
    await supervisor.stop("sample")


async def test_what_never_answers_is_an_error_with_the_log(
    state: State, program: Program
) -> None:
    async def probe() -> bool:
        return False

    supervisor = Supervisor(state, (program,), {"sample": probe})
    supervisor.start("sample")

    with pytest.raises(StartError, match=r"does not answer after 0\.5 s"):
        await supervisor.wait_ready("sample", timeout_seconds=0.5)
    await supervisor.stop("sample")


async def test_a_program_that_is_not_there_is_an_error(
    state: State, program: Program
) -> None:
    missing = Program(
        name="sample",
        argv=("/nowhere/program",),
        environment={},
        folder=state.run,
        log=state.log("sample"),
    )
    supervisor = Supervisor(state, (missing,), {"sample": _probe(state)})
    supervisor.start("sample")

    with pytest.raises(StartError, match="sample cannot be started"):
        await supervisor.wait_ready("sample")
    with pytest.raises(ControlError, match="no program 'other' here: choose sample"):
        supervisor.child("other")


async def test_a_child_of_a_killed_supervisor_gives_way(
    state: State, supervised: Supervised
) -> None:
    lock = state.lock("sample").acquire()
    with subprocess.Popen(  # noqa: ASYNC220 - it must not be awaited here.
        [sys.executable, "-c", "import signal; signal.pause()"],
        pass_fds=[lock.fileno()],
        start_new_session=True,
    ) as orphan:
        lock.name_holder(orphan.pid)
        lock.release()

        supervised.start()
        await asyncio.wait_for(supervised.ready.wait(), 20)

        assert orphan.wait(10) == -signal.SIGTERM


def test_a_process_that_does_not_hold_the_lock_is_left_alone(state: State) -> None:
    lock = state.lock("sample").acquire()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as bystander:
        lock.name_holder(bystander.pid)

        end_holder(lock, grace_seconds=0.2)

        assert bystander.poll() is None
        bystander.kill()
    lock.release()


def _runs(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
