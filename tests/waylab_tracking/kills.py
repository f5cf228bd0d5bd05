"""A server that is killed while it takes events in."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from tests.waylab_tracking.door import Door

from waylab_site.certificates import trusted
from waylab_tracking.testing import Server, running_server

JSON_LINES = {"Content-Type": "application/json-lines"}
PAGE = 10_000
MAX_BATCHES = 10_000


class Feed:
    """Sends batches to one task, and knows which were answered for."""

    def __init__(self, door: Door, dice: random.Random) -> None:
        self.task = door.task("fed until the end")
        self.answered: list[int] = []
        self.sent: list[int] = []
        self._door = door
        self._sizes = [dice.choice((1, 7, 60, 400)) for _ in range(97)]

    def run(self) -> None:
        """Send until the server is gone."""
        with httpx.Client(trust_env=False, verify=trusted(), timeout=30) as client:
            for number in range(MAX_BATCHES):
                self.sent.append(number)
                try:
                    answer = client.post(
                        f"{self._door.url}/events.add_batch",
                        content=self.batch(number),
                        headers={**self._door.headers, **JSON_LINES},
                    )
                except httpx.TransportError:
                    return
                if answer.status_code == httpx.codes.OK:
                    self.answered.append(number)

    def batch(self, number: int) -> str:
        """Give a batch: points of two curves and lines that bear its number."""
        return "\n".join(
            json.dumps(event)
            for place in range(self._size(number))
            for event in (
                self._point(number, place, "a"),
                self._point(number, place, "b"),
                self._line(number, place),
            )
        )

    def wrong(self, door: Door) -> list[str]:
        """Compare with what the server has."""
        scalars = Counter(
            (event["variant"], int(event["value"]))
            for event in events(door, self.task, "training_stats_scalar")
        )
        lines = Counter(
            int(event["msg"].split()[0]) for event in events(door, self.task, "log")
        )
        found = []
        for number in self.sent:
            size = self._size(number)
            here = {scalars["a", number], scalars["b", number], lines[number]}
            allowed = {size} if number in self.answered else {size, 0}
            if len(here) > 1 or not here <= allowed:
                found.append(f"batch {number} of {size} events: {here} are there")
        return found

    def _size(self, number: int) -> int:
        return self._sizes[number % len(self._sizes)]

    def _point(self, number: int, place: int, variant: str) -> dict[str, Any]:
        return {
            "type": "training_stats_scalar",
            "task": self.task,
            "metric": "loss",
            "variant": variant,
            "iter": number * 1000 + place,
            "value": number,
            "timestamp": 1_000 + number,
        }

    def _line(self, number: int, place: int) -> dict[str, Any]:
        text = f"{number} {place} {'x' * (place % 200)}"
        moment = 1_000 + number
        return {"type": "log", "task": self.task, "msg": text, "timestamp": moment}


def events(door: Door, task: str, kind: str) -> list[dict[str, Any]]:
    """Give all events of a task."""
    found: list[dict[str, Any]] = []
    scroll: dict[str, str] = {}
    while True:
        page = door.call(
            "events.get_task_events",
            task=task,
            event_type=kind,
            batch_size=PAGE,
            **scroll,
        )
        found += page["events"]
        if not page["events"]:
            return found
        scroll = {"scroll_id": page["scroll_id"]}


def kill_once(server: Server, keys: tuple[str, str], dice: random.Random) -> list[str]:
    """Feed, kill at a random moment, start again; give what is wrong then."""
    door = Door(server, keys)
    feeds = [Feed(door, dice) for _ in range(2)]
    threads = [threading.Thread(target=feed.run) for feed in feeds]
    for thread in threads:
        thread.start()
    moment = time.monotonic() + dice.uniform(0.02, 0.4)
    while time.monotonic() < moment:
        threads[0].join(0.005)
    server.kill()
    for thread in threads:
        thread.join()
    door.close()
    wrong = damage(server.state)
    server.start()
    door = Door(server, keys)
    wrong += [one for feed in feeds for one in feed.wrong(door)]
    for feed in feeds:
        door.call("tasks.delete", task=feed.task, force=True)
    door.close()
    return wrong


def damage(state: Path) -> list[str]:
    """Ask SQLite whether its file is whole."""
    with closing(sqlite3.connect(state / "tracking.sqlite")) as database:
        [[said]] = database.execute("pragma integrity_check").fetchall()
    return [] if said == "ok" else [str(said)]


def run(state: Path, rounds: int, dice: random.Random) -> list[str]:
    """Kill a server so often; give what was wrong after any round."""
    with running_server(state) as server:
        keys = server.create_user("ann")
        return [
            f"round {number}: {one}"
            for number in range(rounds)
            for one in kill_once(server, keys, dice)
        ]
