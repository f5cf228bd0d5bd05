"""Running the set-up program in a copy of the clone, where nothing is installed."""

import fcntl
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from waylab_install.interpreter import candidates, choose

ROOT = Path(__file__).parents[2]
NO_NETWORK = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_RETRIES": "0",
}


@pytest.fixture
def clone() -> Iterator[Path]:
    """Yield a folder, which other accounts can enter, with what set-up reads."""
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(ROOT / "pyproject.toml", folder)
        shutil.copytree(
            ROOT / "hub" / "install",
            folder / "hub" / "install",
            ignore=shutil.ignore_patterns("node_modules", "__pycache__"),
        )
        yield folder


def bootstrap_command(clone: Path) -> list[str]:
    return [_python(), "-B", str(clone / "hub" / "install" / "bootstrap.py")]


def _python() -> str:
    return str(choose(candidates(), for_other_accounts=True).executable)


def environment(clone: Path) -> dict[str, str]:
    return {"HOME": str(clone), "PATH": os.environ["PATH"], **NO_NETWORK}


def test_without_a_network_one_sentence_says_so_and_names_the_log(
    clone: Path,
) -> None:
    done = subprocess.run(
        bootstrap_command(clone),
        capture_output=True,
        check=False,
        env=environment(clone),
        text=True,
        timeout=120,
    )

    log = clone / ".venv" / "waylab-install" / "uv.log"
    assert done.returncode == 1
    assert "Waylab could not be set up. The network cannot be reached" in done.stderr
    assert str(log) in done.stderr
    assert "Traceback" not in done.stderr
    assert "pip install" in log.read_text("utf-8")


def test_what_was_done_is_not_done_again_after_a_failure(clone: Path) -> None:
    first, second = (
        subprocess.run(
            bootstrap_command(clone),
            capture_output=True,
            check=False,
            env=environment(clone),
            text=True,
            timeout=120,
        )
        for _ in range(2)
    )

    assert "Making .venv" in first.stderr
    assert "Making .venv" not in second.stderr
    assert "Installing uv ... failed" in second.stderr
    stamps = json.loads((clone / ".venv/waylab-install/stamps.json").read_text())
    assert "venv" in stamps
    assert "uv" not in stamps


def test_a_folder_that_cannot_be_written_is_named(clone: Path) -> None:
    clone.chmod(0o555)
    nobody = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None

    done = subprocess.run(
        bootstrap_command(clone),
        capture_output=True,
        check=False,
        env=environment(clone),
        text=True,
        timeout=120,
        user=nobody,
    )

    clone.chmod(0o755)
    assert done.returncode == 1
    assert f"{clone}/.venv cannot be written (Permission denied)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts labs as others")
def test_as_root_a_folder_closed_to_other_accounts_is_refused_at_once(
    clone: Path,
) -> None:
    clone.chmod(0o700)
    refused, noted = (
        subprocess.run(
            [*bootstrap_command(clone), *options],
            capture_output=True,
            check=False,
            env=environment(clone),
            text=True,
            timeout=120,
        )
        for options in ([], ["--dev"])
    )

    assert refused.returncode == 1
    assert f"{clone} is closed to other accounts" in refused.stderr
    assert "chmod o+x" in refused.stderr
    assert "Making .venv" not in refused.stderr
    assert noted.stderr.startswith("Note: ")
    assert "Making .venv" in noted.stderr


def test_a_second_set_up_waits_for_the_first(clone: Path) -> None:
    records = clone / ".venv" / "waylab-install"
    records.mkdir(parents=True)
    lock = os.open(records, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)

    second = subprocess.Popen(
        bootstrap_command(clone),
        stderr=subprocess.PIPE,
        env=environment(clone),
        text=True,
    )
    assert second.stderr is not None
    waiting = second.stderr.readline()
    assert second.poll() is None
    os.close(lock)
    _, rest = second.communicate(timeout=120)

    assert "Another set-up of this folder is under way; waiting for it." in waiting
    assert "Making .venv" in rest


def test_an_interrupt_ends_it_and_its_tool_with_one_sentence(clone: Path) -> None:
    slow = clone / "slow-python"
    slow.write_text(
        f'#!/bin/sh\n[ "$2" = venv ] && exec sleep 300\nexec {_python()} "$@"\n'
    )
    slow.chmod(0o755)
    running = subprocess.Popen(
        bootstrap_command(clone),
        stderr=subprocess.PIPE,
        env={**environment(clone), "WAYLAB_PYTHON": str(slow)},
        text=True,
    )
    assert running.stderr is not None
    running.stderr.read(len("[1/8] Making"))
    running.terminate()
    _, said = running.communicate(timeout=60)

    assert running.returncode == 130
    assert "Interrupted. The same command goes on from here." in said


def test_the_program_needs_only_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-E", "-S", str(ROOT / "hub/install/bootstrap.py"), "--help"],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )

    assert "Set Waylab up in this folder" in done.stdout
