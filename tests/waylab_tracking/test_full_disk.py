"""A disk that is really full: it is told, nothing is lost, and it ends by itself."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.waylab_tracking import kills
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Server, running_server

SIZE = "12m"
PIECE_BYTES = 64 * 1024
FULL = 507


def _mount(folder: Path) -> str:
    """Make the folder a small disk; give why that cannot be."""
    if os.geteuid() != 0:
        return "only root may mount a small disk"
    done = subprocess.run(
        ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if missing := _mount(folder):
        pytest.skip(missing)
    yield folder
    subprocess.run(["/usr/bin/umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def server(disk: Path) -> Iterator[Server]:
    with running_server(disk / "state") as server:
        yield server


def fill(disk: Path) -> Path:
    """Take all the room that is left; give the file that holds it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for piece in (PIECE_BYTES, 4096, 1):
            try:
                while True:
                    file.write(bytes(piece))
            except OSError:
                continue
    return ballast


def incoming(server: Server) -> list[Path]:
    return list((server.state / "incoming").iterdir())


def test_an_upload_that_fills_the_disk_is_told_and_leaves_nothing(
    disk: Path, server: Server
) -> None:
    ann = Door(server, server.create_user("ann"))
    ann.upload("a/kept.bin", b"kept").raise_for_status()

    large = ann.upload("a/large.bin", bytes(30_000_000))
    replaced = ann.upload("a/kept.bin", bytes(30_000_000))
    left = incoming(server)
    small = ann.upload("a/small.bin", b"small")

    assert (large.status_code, replaced.status_code) == (FULL, FULL)
    assert "No space left" in large.json()["message"]
    assert left == []
    assert small.is_success
    assert ann.get("/files/a/kept.bin").content == b"kept"
    assert ann.get("/files/a/large.bin").status_code == 404
    ann.close()


def test_a_full_disk_refuses_clearly_and_is_forgotten_when_there_is_room(
    disk: Path, server: Server
) -> None:
    ann = Door(server, server.create_user("ann"))
    feed = kills.Feed(ann, random.Random(7))  # noqa: S311
    for number in range(3):
        feed.sent.append(number)
        assert send(ann, feed, number).status_code == 200
        feed.answered.append(number)
    ann.upload("a/kept.bin", b"kept").raise_for_status()
    ballast = fill(disk)

    statuses: set[int] = set()
    number = 3
    while statuses != {FULL} and number < 200:
        feed.sent.append(number)
        answer = send(ann, feed, number)
        statuses = {answer.status_code}
        if answer.is_success:
            feed.answered.append(number)
        number += 1
    meta = answer.json()["meta"]
    uploads = [ann.upload(f"b/{n}.bin", bytes(300_000)) for n in range(5)]
    left = incoming(server)
    read = feed.wrong(ann)
    kept = ann.get("/files/a/kept.bin").content
    ballast.unlink()
    for one in set(feed.sent) - set(feed.answered):
        assert send(ann, feed, one).status_code == 200
        feed.answered.append(one)
    again = ann.upload("b/again.bin", bytes(300_000))

    assert (meta["result_code"], meta["result_msg"]) == (
        FULL,
        "The server's disk refuses to write",
    )
    assert {one.status_code for one in uploads} == {FULL}
    assert left == []
    assert read == []
    assert kept == b"kept"
    assert again.is_success
    assert feed.wrong(ann) == []
    assert ann.get("/files/b/again.bin").content == bytes(300_000)
    ann.close()
    server.stop()
    assert kills.damage(server.state) == []


def send(door: Door, feed: kills.Feed, number: int) -> httpx.Response:
    return door.http.post(
        "/events.add_batch",
        content=feed.batch(number),
        headers={**door.headers, **kills.JSON_LINES},
    )
