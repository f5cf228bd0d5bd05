from __future__ import annotations

import random
import resource
import secrets
from pathlib import Path

from tests.waylab_tracking import kills
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import running_server

ROUNDS = 20
SPARE_BYTES = 400_000


def test_no_answered_event_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    seed = secrets.token_hex(8)

    wrong = kills.run(tmp_path, ROUNDS, random.Random(seed))  # noqa: S311

    assert wrong == [], f"seed {seed}"


def test_a_full_disk_is_told_and_forgotten_when_there_is_room(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        door = Door(server, server.create_user("ann"))
        feed = kills.Feed(door, random.Random(7))  # noqa: S311
        largest = max(file.stat().st_size for file in tmp_path.iterdir())
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)

        # No file of the server's may grow further: as with a full disk.
        limits = (largest + SPARE_BYTES, hard)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, limits)
        refused = send_until(feed, door, status=507)
        upload = door.upload(f"lab/run.{feed.task}/big", b"x" * (limits[0] + 1))
        read = feed.wrong(door)

        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))
        again = door.http.post(
            "/events.add_batch",
            content=feed.batch(refused),
            headers={**door.headers, **kills.JSON_LINES},
        )
        feed.answered.append(refused)
        wrong = feed.wrong(door)
        door.close()

    assert upload.status_code == 507
    assert read == []
    assert again.status_code == 200
    assert wrong == []
    assert kills.damage(tmp_path) == []


def send_until(feed: kills.Feed, door: Door, status: int) -> int:
    """Send batches until one is answered so; give its number."""
    for number in range(1000):
        feed.sent.append(number)
        answer = door.http.post(
            "/events.add_batch",
            content=feed.batch(number),
            headers={**door.headers, **kills.JSON_LINES},
        )
        if answer.status_code == status:
            return number
        assert answer.status_code == 200
        feed.answered.append(number)
    msg = f"no batch was answered with {status}"
    raise AssertionError(msg)
