"""Jobs under their owners' accounts, as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_agent.rig import Rig

from waylab_site.accounts import Accounts
from waylab_site.state import barrier


def why_not() -> str:
    """Say why this machine cannot run these tests; nothing if it can."""
    if os.geteuid() != 0:
        return "only root can give jobs accounts"
    if shutil.which("useradd", path="/usr/sbin:/sbin") is None:
        return "useradd is not on this machine"
    if (folder := barrier(Path(sys.executable).parent)) is not None:
        return f"other accounts cannot reach Python: {folder} bars the way"
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run")


@pytest.fixture
def homes() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o711)
    yield folder / "homes"
    for entry in pwd.getpwall():
        if Path(entry.pw_dir).is_relative_to(folder):
            subprocess.run(["/usr/sbin/userdel", entry.pw_name], check=True)
    shutil.rmtree(folder)


def test_a_job_is_its_owner_and_cannot_reach_the_agent_s_state(
    rig: Rig, homes: Path
) -> None:
    rig.start_agent(ISOLATED="true", HOMES=str(homes))
    state = rig.home / "agents/n1"
    task = rig.enqueue(
        "import os, pathlib, pwd\n"
        "print('I am', pwd.getpwuid(os.getuid()).pw_dir, os.getgroups())\n"
        "try: print(os.listdir(" + repr(str(state)) + "))\n"
        "except PermissionError: print('kept out')\n"
        "pathlib.Path('~/mine').expanduser().write_text('x')"
    )
    assert rig.end_of(task) == ("completed", "completed")
    account = Accounts(homes, isolated=True).ensure("ada")
    console = rig.console(task)
    assert f"I am {account.home} []" in console
    assert "kept out" in console
    made = account.home / "mine"
    assert (made.stat().st_uid, made.stat().st_mode & 0o777) == (account.uid, 0o600)


def test_an_isolated_job_is_aborted(rig: Rig, homes: Path) -> None:
    rig.start_agent(ISOLATED="true", HOMES=str(homes))
    task = rig.enqueue("import time; print('up', flush=True); time.sleep(600)")
    rig.wait_for_line(task, "up")
    rig.user.call("tasks.stop", {"task": task})
    assert rig.end_of(task, 15) == ("stopped", "aborted")
