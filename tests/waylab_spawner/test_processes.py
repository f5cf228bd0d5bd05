from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from waylab_spawner import processes
from waylab_spawner.logs import open_log, tail

STAYS = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"


@pytest.fixture
def site() -> str:
    return uuid4().hex[:8]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    made: list[subprocess.Popen[str]] = []
    yield made
    for process in made:
        process.kill()
        process.communicate()


def _start(started: list[subprocess.Popen[str]], mark: str, code: str) -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={"WAYLAB_LAB": mark},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process.pid


def test_the_processes_of_a_lab_and_of_a_site_are_found(
    site: str, started: list[subprocess.Popen[str]]
) -> None:
    anns = _start(started, f"{site}/ann/", STAYS)
    bobs = _start(started, f"{site}/bob/second", STAYS)

    assert processes.marked(f"{site}/ann/") == (anns,)
    assert processes.marked(f"{site}/bob/") == ()
    assert set(processes.marked_of_site(site)) == {anns, bobs}


def test_what_ignores_the_signal_is_killed(
    site: str, started: list[subprocess.Popen[str]]
) -> None:
    _start(started, f"{site}/ann/", STUBBORN)
    _start(started, f"{site}/ann/", STAYS)

    def pids() -> tuple[int, ...]:
        for process in started:
            process.poll()
        return processes.marked(f"{site}/ann/")

    assert processes.end(pids, grace_seconds=0.3) == ()
    assert [process.wait(5) for process in started] == [-9, -15]


def test_a_process_is_told_from_a_later_one_with_its_number(
    started: list[subprocess.Popen[str]],
) -> None:
    pid = _start(started, "x", STAYS)
    began = processes.started_at(pid)

    assert began is not None
    assert abs(began - time.time()) < 60
    assert processes.is_same(pid, began)
    assert not processes.is_same(pid, began - 100)
    started[0].kill()
    started[0].wait()
    assert processes.started_at(pid) is None


def test_a_log_is_kept_once_and_its_end_hides_secrets(tmp_path: Path) -> None:
    path = tmp_path / "lab.log"
    path.write_text("the one before")
    with open(open_log(path), "w") as log:  # noqa: PTH123 - a descriptor.
        log.write("line\n" * 50 + "\x1b[31mtoken=abc123 password: hunter2\x1b[0m\nend")

    assert path.with_name("lab.log.1").read_text() == "the one before"
    assert path.stat().st_mode & 0o777 == 0o600
    assert tail(path, lines=3) == "line\ntoken=[hidden] password: [hidden]\nend"
    assert tail(tmp_path / "none.log") == ""
