"""A tracking server as it fills: 10,000 tasks, 100 million points, 10 GB of logs.

It is fed in parts of one hundredth, `WAYLAB_BENCH_PERCENT` of them (default 2, 100 is
the full size); what is read after the last is compared with what was read after the
first. The points and lines go in by one client, through plain HTTP.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import psutil
from tests.benchmarks.measure import Pair, Report, Setting
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import running_server

TASKS = 100
"""Of one part, each with `POINTS` in ten curves and `TEXT` bytes of log."""
POINTS = 5_000
TEXT = 500_000
LONG_POINTS = 500_000
LONG_TEXT = 50_000_000
"""Of one more task of each part, in one curve and one log."""
EVENTS = 2_000
LINES = 40
"""Of one event of a log, as the SDK's console sends several lines at once."""
READS = 40
JSON_LINES = {"Content-Type": "application/json-lines"}
_KINDS = 5_000
"""Of lines, made of numbers by chance, so that they cannot all be packed as one."""


def run(setting: Setting) -> Report:
    """Measure."""
    parts, lines = _parts(os.environ), _lines(setting.random)
    report = Report(f"Tracking: {parts} % of 100 million points and 10 GB of logs")
    state = setting.folder / "state"
    with running_server(state) as server:
        door = Door(server, server.create_user("ann"))
        project = door.call("projects.create", name="large", description="")["id"]
        times, early = [], {}
        long = ""
        for number in range(parts):
            began = time.perf_counter()
            long = _feed(door, str(project), number, lines)
            times.append(time.perf_counter() - began)
            if number == 0:
                early = _read(door, str(project), long)
        late = _read(door, str(project), long)
        busy = _read_while_feeding(door, str(project), parts, lines)
        memory = psutil.Process(server.pid).memory_info().rss / 1e6
        door.close()
    report.pairs = [
        Pair(what, took, "after the first part", early[what])
        for what, took in late.items()
    ]
    report.pairs.append(
        Pair("taking in one part", (times[-1],), "the first part", (times[0],))
    )
    report.table = [
        "| read | 95th percentile | while a part comes in |",
        "|---|---|---|",
    ]
    report.table += [
        f"| {what} | {_late(took) * 1000:.0f} ms | {_late(busy[what]) * 1000:.0f} ms |"
        for what, took in late.items()
    ]
    disk = sum(one.stat().st_size for one in state.rglob("*") if one.is_file())
    tasks, points = (TASKS + 1) * parts, (TASKS * POINTS + LONG_POINTS) * parts
    text = (TASKS * TEXT + LONG_TEXT) * parts
    report.notes = [
        f"{tasks:,} tasks, {points:,} points, {text / 1e9:.1f} GB of logs: "
        f"{disk / 1e9:.2f} GB on disk, {memory:.0f} MB of memory.",
        f"One part: {TASKS} tasks with {POINTS:,} points in ten curves and "
        f"{TEXT / 1e6:g} MB of log, and one with a curve of {LONG_POINTS:,} points and "
        f"{LONG_TEXT / 1e6:g} MB of log; {len(times)} parts in {sum(times):.0f} s.",
        "While a part comes in, one process feeds and reads by two threads: each waits "
        "for the other's turns too.",
    ]
    return report


def _parts(environment: Mapping[str, str]) -> int:
    text = environment.get("WAYLAB_BENCH_PERCENT") or "2"
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        msg = f"WAYLAB_BENCH_PERCENT is {text!r}, but takes a number from 1 to 100."
        raise RuntimeError(msg)
    return int(text)


def _feed(door: Door, project: str, part: int, lines: Sequence[str]) -> str:
    """Make a part's tasks and send what they report; give the long one."""
    for number in range(TASKS):
        name = f"run {part * TASKS + number} of model {'abc'[number % 3]}"
        task = door.task(name, project=project, tags=[f"tag-{number % 7}"])
        _send(door, _curves(task, POINTS, 10))
        _send(door, _log(task, TEXT, lines))
    long = door.task(f"a long one {part}", project=project)
    _send(door, _curves(long, LONG_POINTS, 1))
    _send(door, _log(long, LONG_TEXT, lines))
    return long


def _curves(task: str, points: int, curves: int) -> Iterator[str]:
    for n in range(points):
        yield (
            f'{{"type":"training_stats_scalar","task":"{task}","metric":"loss",'
            f'"variant":"m{n % curves}","iter":{n},"value":{n % 977},'
            f'"timestamp":{1_000 + n}}}'
        )


def _log(task: str, size: int, lines: Sequence[str]) -> Iterator[str]:
    sent = 0
    for n in range(size):
        start = n * LINES % (len(lines) - LINES)
        text = "\\n".join(lines[start : start + LINES])
        yield f'{{"type":"log","task":"{task}","msg":"{text}","timestamp":{1 + n}}}'
        sent += len(text)
        if sent >= size:
            return


def _lines(dice: random.Random) -> list[str]:
    return [
        f"epoch {n // 50} step {n}: loss {dice.random():.9f} lr {dice.random():.6f}, "
        f"{dice.randrange(100_000)} samples a second"
        for n in range(_KINDS)
    ]


def _send(door: Door, events: Iterator[str]) -> None:
    batch: list[str] = []
    for event in events:
        batch.append(event)
        if len(batch) == EVENTS:
            _post(door, batch)
            batch = []
    if batch:
        _post(door, batch)


def _post(door: Door, batch: list[str]) -> None:
    door.http.post(
        "/events.add_batch",
        content="\n".join(batch),
        headers={**door.headers, **JSON_LINES},
    ).raise_for_status()


def _reads(door: Door, project: str, long: str) -> dict[str, Callable[[], object]]:
    page = {
        "page": 0,
        "page_size": 50,
        "project": [project],
        "order_by": ["-last_update"],
        "only_fields": ["id", "name", "status", "last_update", "tags"],
    }
    tasks = partial(door.call, "tasks.get_all_ex", **page)
    log = partial(door.call, "events.get_task_log", task=long, batch_size=500)
    return {
        "a page of tasks, the latest first": tasks,
        "the same with a tag": partial(tasks, tags=["tag-3"]),
        "the same by a part of the name": partial(tasks, name="model b"),
        f"a curve of {LONG_POINTS:,} points, thinned to 6000": partial(
            door.call, "events.scalar_metrics_iter_histogram", task=long, samples=6000
        ),
        f"the end of a log of {LONG_TEXT / 1e6:g} MB": partial(
            log, navigate_earlier=True
        ),
        "its beginning": partial(log, navigate_earlier=False),
    }


def _read(door: Door, project: str, long: str) -> dict[str, tuple[float, ...]]:
    return {
        what: tuple(_timed(read) for _ in range(READS))
        for what, read in _reads(door, project, long).items()
    }


def _read_while_feeding(
    door: Door, project: str, part: int, lines: Sequence[str]
) -> dict[str, tuple[float, ...]]:
    long = door.task("read meanwhile", project=project)
    _send(door, _curves(long, LONG_POINTS, 1))
    _send(door, _log(long, LONG_TEXT, lines))
    feeding = threading.Thread(target=_feed, args=(door, project, part, lines))
    feeding.start()
    found: dict[str, list[float]] = {}
    while feeding.is_alive():
        for what, read in _reads(door, project, long).items():
            found.setdefault(what, []).append(_timed(read))
    feeding.join()
    return {what: tuple(took) for what, took in found.items()}


def _timed(read: Callable[[], object]) -> float:
    began = time.perf_counter()
    read()
    return time.perf_counter() - began


def _late(times: tuple[float, ...]) -> float:
    """Give the 95th percentile."""
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
