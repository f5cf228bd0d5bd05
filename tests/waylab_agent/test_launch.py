from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from waylab_agent import launch, processes
from waylab_agent.errors import StartError
from waylab_agent.journal import GrantEntry, JobEntry, JobFolder, Journal, ProcessId
from waylab_agent.processes import MARK

CLAIM = "c0ffee"


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    entry = JobEntry(
        task_id="t1",
        queue="default",
        queue_id="q",
        grant=GrantEntry(id="g", slot="cpu0"),
        claim=CLAIM,
    )
    return Journal(tmp_path / "state").create(entry)


def order(tmp_path: Path, code: str) -> launch.Order:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    work = home / ".cache" / "work"
    return launch.Order(
        argv=(sys.executable, "-u", "-c", code),
        environment={"PATH": os.defpath, MARK: CLAIM, "WORK": str(work)},
        claim=CLAIM,
        home=home,
        work=work,
        files={"clearml.conf": "{}"},
        verdict="verdict.json",
    )


def run(tmp_path: Path, folder: JobFolder, code: str) -> launch.Record:
    _, shim = launch.start(order(tmp_path, code), folder)
    assert shim.wait(30) == 0
    return launch.read_record(folder)


def wait_for_line(folder: JobFolder, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in folder.console.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_exit_status_and_the_output_are_kept(
    tmp_path: Path, folder: JobFolder
) -> None:
    record = run(tmp_path, folder, "print('hello'); raise SystemExit(3)")
    assert (record.ended, record.exit_code, record.signal) == (True, 3, None)
    assert folder.console.read_text() == "hello\n"
    assert not launch.is_held(folder)


def test_a_signal_is_told_from_an_exit(tmp_path: Path, folder: JobFolder) -> None:
    record = run(tmp_path, folder, "import os; os.kill(os.getpid(), 9)")
    assert (record.ended, record.exit_code, record.signal) == (True, None, 9)


def test_the_verdict_is_brought_out_and_the_folder_cleared(
    tmp_path: Path, folder: JobFolder
) -> None:
    code = (
        "import os, pathlib; w = pathlib.Path(os.environ['WORK'])\n"
        "assert (w / 'clearml.conf').stat().st_mode & 0o777 == 0o600\n"
        "(w / 'verdict.json').write_text('{\"format\": 1}')"
    )
    assert run(tmp_path, folder, code).verdict == '{"format": 1}'
    assert not order(tmp_path, "").work.exists()


def test_a_verdict_that_is_a_link_is_not_followed(
    tmp_path: Path, folder: JobFolder
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    code = f"import os; os.symlink({str(secret)!r}, os.environ['WORK']+'/verdict.json')"
    assert run(tmp_path, folder, code).verdict is None


def test_a_command_that_does_not_exist_is_refused_with_its_name(
    tmp_path: Path, folder: JobFolder
) -> None:
    wrong = order(tmp_path, "")
    wrong = launch.Order(**{**vars(wrong), "argv": ("/no/such/python",)})
    _, shim = launch.start(wrong, folder)
    shim.wait(30)
    record = launch.read_record(folder)
    assert record.refused is not None
    assert "/no/such/python" in record.refused


def test_what_a_job_leaves_running_is_ended(tmp_path: Path, folder: JobFolder) -> None:
    child = "import time; print('child', flush=True); time.sleep(600)"
    code = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}],\n"
        "    start_new_session=True, stdout=subprocess.PIPE, env={})\n"
        "p.stdout.readline()\n"
        "print('pid', p.pid)"
    )
    run(tmp_path, folder, code)
    pid = int(folder.console.read_text().split()[1])
    assert processes.identify(pid) is None


def test_the_lock_tells_that_a_job_lives_without_its_agent(
    tmp_path: Path, folder: JobFolder
) -> None:
    code = "import signal, sys; print('up', flush=True); signal.pause()"
    identity, shim = launch.start(order(tmp_path, code), folder)
    wait_for_line(folder, "up")
    assert launch.is_held(folder)
    assert processes.is_alive(identity)
    assert launch.read_record(folder).shim_pid == identity.pid
    with pytest.raises(StartError, match="already running"):
        launch.start(order(tmp_path, code), folder)
    processes.ask_to_end(identity)
    assert shim.wait(20) == 0
    assert launch.read_record(folder).signal == signal.SIGTERM


def test_a_job_that_ignores_the_request_is_killed_with_its_children(
    tmp_path: Path, folder: JobFolder
) -> None:
    code = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = 'import signal; signal.signal(15, signal.SIG_IGN); signal.pause()'\n"
        "subprocess.Popen([sys.executable, '-c', child], start_new_session=True)\n"
        "print('up', flush=True)\n"
        "while True: signal.pause()"
    )
    identity, shim = launch.start(order(tmp_path, code), folder)
    wait_for_line(folder, "up")
    processes.ask_to_end(identity)
    below = processes.descendants(identity)
    assert len(below) == 2
    processes.kill(below)
    assert shim.wait(20) == 0
    assert launch.read_record(folder).signal == signal.SIGKILL
    assert processes.marked(CLAIM) == []


def test_when_the_shim_is_killed_its_job_is_found_by_its_mark(
    tmp_path: Path, folder: JobFolder
) -> None:
    code = "import signal; print('up', flush=True); signal.pause()"
    identity, shim = launch.start(order(tmp_path, code), folder)
    wait_for_line(folder, "up")
    shim.kill()
    shim.wait(20)
    assert not launch.is_held(folder)
    assert not launch.read_record(folder).ended
    (stray,) = processes.marked(CLAIM)
    processes.kill([stray])
    deadline = time.monotonic() + 20
    while processes.marked(CLAIM):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not processes.is_alive(identity)


def test_a_record_with_half_a_line_counts_what_is_complete(folder: JobFolder) -> None:
    whole = json.dumps({"event": "shim", "pid": 7})
    folder.record.write_text(f'{whole}\n{{"event": "ended", "exit_co')
    assert launch.read_record(folder) == launch.Record(shim_pid=7)


def test_a_later_process_with_the_same_number_is_another_one() -> None:
    own = processes.identify(os.getpid())
    assert own is not None
    assert processes.is_alive(own)
    earlier = ProcessId(
        pid=own.pid, start_ticks=own.start_ticks - 1, boot_id=own.boot_id
    )
    assert not processes.is_alive(earlier)
    assert processes.descendants(earlier) == []


def test_a_job_gets_no_variable_of_the_shim_and_no_open_file(
    tmp_path: Path, folder: JobFolder
) -> None:
    code = (
        "import os; print(sorted(os.environ)); "
        "print(sorted(os.listdir('/proc/self/fd')))"
    )
    run(tmp_path, folder, code)
    names, files = folder.console.read_text().splitlines()
    assert names == str(sorted([MARK, "PATH", "WORK", "LC_CTYPE"]))
    assert files == "['0', '1', '2', '3']"


def test_signals_are_not_ignored_by_the_job(tmp_path: Path, folder: JobFolder) -> None:
    code = (
        "print([l for l in open('/proc/self/status') if l[:6] in ('SigBlk','SigIgn')])"
    )
    run(tmp_path, folder, code)
    blocked, ignored = (
        int(part.split("\\t")[1].split("\\n")[0], 16)
        for part in folder.console.read_text().split("', '")
    )
    assert blocked == 0
    assert not ignored & (1 << (signal.SIGTERM - 1))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a job an account")
def test_a_job_runs_under_its_owner_s_account_and_leaves_nothing_of_root(
    folder: JobFolder,
) -> None:
    nobody = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    code = (
        "import os, sys\n"
        "print(os.getuid(), os.getgid(), os.getgroups(), oct(os.umask(0o22)))\n"
        "work = os.environ['WORK']\n"
        "print(os.stat(work).st_uid, os.stat(work + '/clearml.conf').st_uid)\n"
        "print(os.getcwd())\n"
        "open(work + '/verdict.json', 'w').write('told')\n"
        "try: os.kill(os.getppid(), 9)\n"
        "except PermissionError: print('the shim is safe')"
    )
    work = home / ".cache" / "work"
    order = launch.Order(
        argv=("/usr/bin/python3", "-c", code),
        environment={"PATH": os.defpath, "WORK": str(work)},
        claim=CLAIM,
        home=home,
        work=work,
        files={"clearml.conf": "{}"},
        verdict="verdict.json",
        uid=nobody.pw_uid,
        gid=nobody.pw_gid,
    )
    try:
        _, shim = launch.start(order, folder)
        assert shim.wait(30) == 0
        assert folder.console.read_text().splitlines() == [
            f"{nobody.pw_uid} {nobody.pw_gid} [] 0o77",
            f"{nobody.pw_uid} {nobody.pw_uid}",
            str(home),
            "the shim is safe",
        ]
        assert launch.read_record(folder).verdict == "told"
        assert not work.exists()
    finally:
        shutil.rmtree(home)
