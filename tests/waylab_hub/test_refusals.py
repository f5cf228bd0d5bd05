"""What `waylab` says where it cannot do what it is asked: one sentence, status 1."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from waylab_hub.testing import open_folder
from waylab_site.inventory import this_machine
from waylab_site.loading import default_text
from waylab_site.state import State
from waylab_spawner.testing import free_port

WAYLAB = str(Path(sys.executable).with_name("waylab"))


def _run(
    home: Path,
    *arguments: str,
    as_nobody: bool = False,
    admin_password: str = "",
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WAYLAB_")}
    settings = {
        "WAYLAB_HOME": str(home),
        "WAYLAB_PORT": str(free_port()),
        # Where set-up has put no proxy yet, any program serves: it is not started.
        "WAYLAB_PROXY_COMMAND": "/bin/true",
        **({"WAYLAB_ADMIN_PASSWORD": admin_password} if admin_password else {}),
    }
    return subprocess.run(
        [WAYLAB, *arguments],
        env={**clean, **settings, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        user=65534 if as_nobody else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
    )


def _refused(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.stderr.strip().count("\n") == 0, done.stderr
    for part in parts:
        assert part in done.stderr


def test_a_port_in_use() -> None:
    with open_folder() as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])

        done = _run(folder / "state", "up", WAYLAB_PORT=port)

    _refused(done, f"Port {port} is in use", "set WAYLAB_PORT")


def test_a_port_that_is_none() -> None:
    with open_folder() as folder:
        done = _run(folder / "state", "up", WAYLAB_PORT="http")

    _refused(done, "WAYLAB_PORT is 'http'", "Set another value")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second account")
def test_a_folder_that_is_read_only_or_anothers() -> None:
    with open_folder() as folder:
        closed = _run(folder / "state", "up", as_nobody=True)
        (folder / "roots").mkdir()
        foreign = _run(folder / "roots", "up", as_nobody=True)

    _refused(closed, "Cannot use the state folder", "WAYLAB_HOME")
    _refused(foreign, "belongs to user id 0", "WAYLAB_HOME")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    _refused(_run(tmp_path / "state", "up"), "Cannot use the state folder")


def test_a_site_with_a_mistake() -> None:
    with open_folder() as folder:
        (folder / "state").mkdir()
        (folder / "state" / "waylab.toml").write_text("[site]\nnmae = 'x'\n")

        done = _run(folder / "state", "up")

    assert done.returncode == 1
    assert "waylab.toml:2: the key 'site.nmae' is unknown. Did you mean 'name'?" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_a_store_of_files_that_there_is_none_of() -> None:
    with open_folder() as folder:
        site = folder / "waylab.toml"
        site.write_text(
            default_text(this_machine()) + '\n[tracking]\nfiles = "nonsense://bucket"\n'
        )

        done = _run(folder / "state", "up", "--site", str(site))

    _refused(done, "[tracking] files of the site", "'nonsense://bucket'")


def test_what_is_old_is_asked_of_a_site_that_is_there() -> None:
    with open_folder() as folder:
        done = _run(folder / "state", "expired", "--archived-days", "30")

    _refused(done, "is not the state folder of a site")


def test_a_password_that_is_too_short() -> None:
    with open_folder() as folder:
        done = _run(folder / "state", "up", admin_password="short")  # noqa: S106

    _refused(done, "WAYLAB_ADMIN_PASSWORD is not accepted", "10 or more")


def test_a_proxy_that_is_not_there() -> None:
    with open_folder() as folder:
        done = _run(folder / "state", "up", WAYLAB_PROXY_COMMAND="/nowhere/proxy")

    _refused(done, "WAYLAB_PROXY_COMMAND is /nowhere/proxy")


def test_another_site_than_the_one_that_is_there() -> None:
    with open_folder() as folder:
        (folder / "state").mkdir()
        example = Path(__file__).parents[2] / "templates" / "sites" / "two-nodes.toml"
        edited = example.read_text().replace("RTX 4090", "RTX 5090")
        (folder / "state" / "waylab.toml").write_text(edited)

        done = _run(folder / "state", "up", "--site", str(example))

    _refused(done, "declares another site", "move it away")


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["restart", "hub"], ["users", "list"], ["users", "add", "ann"]],
)
def test_where_there_is_no_site(tmp_path: Path, arguments: list[str]) -> None:
    _refused(_run(tmp_path, *arguments), "is not the state folder of a site")


def test_a_password_that_is_not_given(tmp_path: Path) -> None:
    State.open(tmp_path / "state", open_root=tmp_path / "open")

    done = _run(tmp_path / "state", "users", "add", "ann", "--password-stdin")

    _refused(done, "no password on stdin")
