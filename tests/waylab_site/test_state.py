from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from waylab_site.errors import AlreadyRunningError, StateError
from waylab_site.state import State, barrier, default_root, write_private


def test_the_state_folder_is_closed_and_secrets_are_private(tmp_path: Path) -> None:
    state = State.open(tmp_path / "state", open_root=tmp_path / "open")

    secret = state.secret("word")

    assert state.secret("word") == secret
    assert len(secret) == 64
    assert (state.secrets / "word").stat().st_mode & 0o777 == 0o600
    assert state.secrets.stat().st_mode & 0o777 == 0o700
    assert state.root.stat().st_mode & 0o777 == (0o711 if state.isolated else 0o700)


def test_opening_again_keeps_the_places(tmp_path: Path) -> None:
    first = State.open(tmp_path / "state", open_root=tmp_path / "open")

    assert State.open(tmp_path / "state", open_root=tmp_path / "other") == first
    assert State.existing(tmp_path / "state") == first


@pytest.mark.skipif(os.geteuid() != 0, reason="homes move only when run as root")
def test_homes_behind_a_closed_folder_live_elsewhere(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    state = State.open(closed / "state", open_root=tmp_path / "open")

    assert barrier(closed) is not None
    assert state.homes == tmp_path / "open" / "homes" / state.site_id
    assert state.agent("local").is_relative_to(tmp_path / "open" / "agents")


def test_a_folder_that_was_never_a_state_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="waylab up"):
        State.existing(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    with pytest.raises(StateError, match="Cannot use the state folder"):
        State.open(tmp_path / "state")


def test_damaged_places_are_not_replaced(tmp_path: Path) -> None:
    State.open(tmp_path / "state", open_root=tmp_path / "open")
    (tmp_path / "state" / "places.json").write_text("{")

    with pytest.raises(StateError, match="damaged"):
        State.open(tmp_path / "state", open_root=tmp_path / "open")


def test_the_default_root_is_the_named_one(tmp_path: Path) -> None:
    assert default_root({"WAYLAB_HOME": str(tmp_path)}) == tmp_path
    assert default_root({}).name == "waylab"


def test_private_files_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    write_private(path, json.dumps({"new": True}))

    assert json.loads(path.read_text()) == {"new": True}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_second_holder_of_a_lock_is_refused_by_name(tmp_path: Path) -> None:
    state = State.open(tmp_path / "state", open_root=tmp_path / "open")

    with (
        state.lock("hub"),
        pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"),
    ):
        state.lock("hub").acquire()

    assert not state.lock("hub").is_held()
    state.lock("hub").acquire().release()


def test_a_lock_that_was_handed_to_a_child_ends_with_it(tmp_path: Path) -> None:
    state = State.open(tmp_path / "state", open_root=tmp_path / "open")
    lock = state.lock("hub").acquire()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        pass_fds=[lock.fileno()],
    ) as child:
        lock.name_holder(child.pid)
        lock.release()
        assert state.lock("hub").is_held()
        assert state.lock("hub").holder() == child.pid
        assert child.stdin is not None
        child.stdin.write(b"\n")
    assert not state.lock("hub").is_held()
