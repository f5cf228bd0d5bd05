"""Taking in scalars and console lines, beside MLflow's server, and reading them.

MLflow gets a virtual environment of its own, made here once a run by `pip`, or the
one that `WAYLAB_BENCH_MLFLOW` names; both servers keep SQLite on the same disk and
are fed the same points by one client process each.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import httpx
import psutil
from tests.benchmarks.measure import Pair, Report, Setting, alternate, wait_for
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Server, running_server

MLFLOW = "mlflow==3.17.2"
BATCH = 1000
BATCHES = 20
SDK_POINTS = 5000
MILLION = 1_000_000
TASKS = 10_000
READS = 40
START_SECONDS = 120.0
JSON_LINES = {"Content-Type": "application/json-lines"}
FEEDS = Path(__file__).with_name("tracking_feeds.py")


def run(setting: Setting) -> Report:
    """Measure."""
    python = _mlflow(setting.folder)
    report = Report("Tracking: taking in and reading, beside MLflow's server")
    starts: dict[str, list[float]] = {"ours": [], "MLflow": []}
    for number in range(setting.rounds):
        began = time.monotonic()
        with running_server(setting.folder / f"start-{number}"):
            starts["ours"].append(time.monotonic() - began)
        began = time.monotonic()
        with _serving(python, setting.folder / f"mlflow-start-{number}"):
            starts["MLflow"].append(time.monotonic() - began)
    ours_folder, theirs_folder = setting.folder / "ours", setting.folder / "mlflow"
    with (
        running_server(ours_folder) as server,
        _serving(python, theirs_folder) as (url, process),
    ):
        rest = {"ours": _memory(server.pid), "MLflow": _memory(process)}
        door = Door(server, server.create_user("ann"))
        _compare(setting, report, python, server, door, url)
        report.pairs.append(
            Pair(
                "start to ready",
                tuple(starts["ours"]),
                "MLflow",
                tuple(starts["MLflow"]),
            )
        )
        _read(report, door)
        _read_beside(report, server, door)
        door.close()
        after = {"ours": _memory(server.pid), "MLflow": _memory(process)}
    report.notes += [
        f"Memory at rest (RSS of all processes): ours {rest['ours']:.0f} MB, MLflow "
        f"{rest['MLflow']:.0f} MB; after all of this {after['ours']:.0f} MB and "
        f"{after['MLflow']:.0f} MB.",
        f"HTTP: {BATCHES} batches of {BATCH} points (MLflow's limit for one) of ten "
        "curves, or of console lines, each batch one request. MLflow has no console: "
        "its peer for lines is a batch of tags, 100 at once.",
        f"SDK: {SDK_POINTS} points in a loop, `report_scalar` until the server shows "
        "all beside `log_metric(synchronous=False)` and a flush; imports and the "
        "run's start are not counted.",
    ]
    return report


def _compare(  # noqa: PLR0913, PLR0917 - both servers and how to reach them.
    setting: Setting, report: Report, python: Path, server: Server, door: Door, url: str
) -> None:
    mine, theirs = _Ours(door), _Theirs(url)
    sdk, client = _sdk(server, door, setting.folder), _client(python, url)
    names = {
        "scalars by HTTP": (mine.scalars, theirs.scalars),
        "console lines by HTTP": (mine.lines, theirs.tags),
        "scalars by the official SDK": (sdk, client),
    }
    counts = (BATCH * BATCHES, BATCH * BATCHES, SDK_POINTS)
    for (what, (ours, peer)), count in zip(names.items(), counts, strict=True):
        found = alternate(setting.rounds, {"ours": ours, "MLflow": peer})
        pair = Pair(what, found["ours"], "MLflow", found["MLflow"], goal=0.2)
        report.pairs.append(pair)
        speed = [count / statistics.median(found[name]) for name in found]
        report.notes.append(
            f"{what}: {speed[0]:,.0f} a second, MLflow {speed[1]:,.0f}: "
            f"{speed[0] / speed[1]:.1f} times as many."
        )
    theirs.close()


def _read(report: Report, door: Door) -> None:
    task = door.task("a long one")
    for start in range(0, MILLION, 10_000):
        events = [
            _point(task, n, "loss", n % 977) for n in range(start, start + 10_000)
        ]
        _send(door, events)
    series = "events.scalar_metrics_iter_histogram"
    took = [
        _timed(partial(door.call, series, task=task, samples=samples))
        for samples in (6000, 5999, 3000, 1000, 300)
    ]
    report.notes.append(
        f"A curve of {MILLION:,} points, thinned to 6000: {took[0] * 1000:.0f} ms at "
        f"first, of other sizes {min(took[1:]) * 1000:.0f} to "
        f"{max(took[1:]) * 1000:.0f} ms (goal: under 200)."
    )
    projects = [
        door.call("projects.create", name=f"project {n}", description="")["id"]
        for n in range(20)
    ]
    for number in range(TASKS):
        door.task(
            f"run {number} of model {'abc'[number % 3]}",
            project=projects[number % 20],
            tags=[f"tag-{number % 7}"],
            system_tags=["archived"] if number % 10 == 0 else [],
        )
    page: dict[str, Any] = {
        "page": 0,
        "page_size": 50,
        "only_fields": ["id", "name", "status", "last_update", "tags"],
    }
    latest = {"order_by": ["-last_update"]}
    filters: dict[str, dict[str, Any]] = {
        "of any kind": {},
        "of a project, the latest first": {"project": [projects[3]], **latest},
        "with a status and a tag, the latest first": {
            "status": ["created"],
            "tags": ["tag-3"],
            **latest,
        },
        "by a part of the name, the latest first": {"name": "model b", **latest},
        "by a pattern, the latest first": {"name": "^run .*5 of .* b$", **latest},
        "by a part of a name that none has": {"name": "model z", **latest},
        "by a text anywhere": {"search_text": "77 of", **latest},
        "without archived ones, by name": {
            "system_tags": ["-archived"],
            "order_by": ["name"],
        },
        "by status and name, the last page": {
            "order_by": ["status", "-name"],
            "page": TASKS // 50 - 1,
        },
    }
    for what, body in filters.items():
        times = sorted(
            _timed(partial(door.call, "tasks.get_all_ex", **{**page, **body}))
            for _ in range(READS)
        )
        report.notes.append(
            f"A page of 50 of {TASKS:,} tasks {what}: median "
            f"{statistics.median(times) * 1000:.0f} ms, 95th percentile "
            f"{times[int(READS * 0.95) - 1] * 1000:.0f} ms (goal: under 50)."
        )


def _read_beside(report: Report, server: Server, door: Door) -> None:
    """Ask for a list while another client reports as fast as it can."""
    stop = multiprocessing.Event()
    feeder = multiprocessing.Process(target=_keep_feeding, args=(server, door, stop))
    page = {"page": 0, "page_size": 50, "order_by": ["-last_update"]}
    feeder.start()
    try:
        times = sorted(
            _timed(partial(door.call, "tasks.get_all_ex", **page))
            for _ in range(3 * READS)
        )
    finally:
        stop.set()
        feeder.join(START_SECONDS)
    report.notes.append(
        f"The latest 50 of {TASKS:,} tasks while batches of 10,000 points come in: "
        f"median {statistics.median(times) * 1000:.0f} ms, 95th percentile "
        f"{times[int(len(times) * 0.95) - 1] * 1000:.0f} ms."
    )


def _keep_feeding(server: Server, door: Door, stop: Event) -> None:
    mine = Door(server, ("", ""), door.token)
    task, number = mine.task("fed beside"), 0
    while not stop.is_set():
        events = [
            _point(task, n, f"m{n % 10}", n / 7) for n in range(number, number + 10_000)
        ]
        _send(mine, events)
        number += 10_000
    mine.close()


class _Ours:
    def __init__(self, door: Door) -> None:
        self._door = door

    def scalars(self) -> float:
        task = self._door.task("fed")
        bodies = [
            [_point(task, n, f"m{n % 10}", n / 7) for n in _numbers(turn)]
            for turn in range(BATCHES)
        ]
        return self._feed(bodies)

    def lines(self) -> float:
        task = self._door.task("fed")
        bodies = [
            [
                {"type": "log", "task": task, "msg": _text(n), "timestamp": 1 + n}
                for n in _numbers(turn)
            ]
            for turn in range(BATCHES)
        ]
        return self._feed(bodies)

    def _feed(self, bodies: list[list[dict[str, object]]]) -> float:
        def feed() -> None:
            for body in bodies:
                _send(self._door, body)

        return _timed(feed)


class _Theirs:
    def __init__(self, url: str) -> None:
        self._http = httpx.Client(
            base_url=f"{url}/api/2.0/mlflow/", trust_env=False, timeout=600
        )

    def scalars(self) -> float:
        run = self._run()
        bodies = [
            {
                "run_id": run,
                "metrics": [
                    {
                        "key": f"m{n % 10}",
                        "value": n / 7,
                        "timestamp": 1_000 + n,
                        "step": n,
                    }
                    for n in _numbers(turn)
                ],
            }
            for turn in range(BATCHES)
        ]
        return _timed(lambda: [self._post("runs/log-batch", body) for body in bodies])

    def tags(self) -> float:
        run = self._run()
        bodies = [
            {
                "run_id": run,
                "tags": [{"key": f"line {n}", "value": _text(n)} for n in some],
            }
            for turn in range(BATCHES)
            for some in _hundreds(turn)
        ]
        return _timed(lambda: [self._post("runs/log-batch", body) for body in bodies])

    def close(self) -> None:
        self._http.close()

    def _run(self) -> str:
        made = self._post("runs/create", {"experiment_id": "0", "start_time": 1})
        return str(made["run"]["info"]["run_id"])

    def _post(self, path: str, body: Mapping[str, object]) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()


def _numbers(turn: int) -> range:
    return range(turn * BATCH, (turn + 1) * BATCH)


def _hundreds(turn: int) -> Iterator[range]:
    for start in range(turn * BATCH, (turn + 1) * BATCH, 100):
        yield range(start, start + 100)


def _text(number: int) -> str:
    return f"epoch {number // 100} step {number}: loss {1 / (number + 1):.9f}"


def _point(task: str, number: int, variant: str, value: float) -> dict[str, object]:
    return {
        "type": "training_stats_scalar",
        "task": task,
        "metric": "loss",
        "variant": variant,
        "iter": number,
        "value": value,
        "timestamp": 1_000 + number,
    }


def _send(door: Door, events: list[dict[str, object]]) -> None:
    answer = door.http.post(
        "/events.add_batch",
        content="\n".join(map(json.dumps, events)),
        headers={**door.headers, **JSON_LINES},
    )
    answer.raise_for_status()


def _sdk(server: Server, door: Door, folder: Path) -> Callable[[], float]:
    home = folder / "home"
    home.mkdir()
    keys = door.call("auth.create_credentials", label="bench")["credentials"]
    (home / "clearml.conf").write_text(
        "sdk.development.report_use_subprocess: false", "utf-8"
    )
    environment = {
        **os.environ,
        "HOME": str(home),
        "CLEARML_CONFIG_FILE": str(home / "clearml.conf"),
        "CLEARML_API_HOST": server.url,
        "CLEARML_WEB_HOST": server.url,
        "CLEARML_FILES_HOST": server.files_url,
        "CLEARML_API_ACCESS_KEY": keys["access_key"],
        "CLEARML_API_SECRET_KEY": keys["secret_key"],
        "CLEARML_SUPPRESS_UPDATE_MESSAGE": "1",
    }
    return lambda: _fed([sys.executable, str(FEEDS), "clearml"], environment)


def _client(python: Path, url: str) -> Callable[[], float]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": url}
    return lambda: _fed([str(python), str(FEEDS), "mlflow"], environment)


def _fed(command: list[str], environment: dict[str, str]) -> float:
    done = subprocess.run(
        [*command, str(SDK_POINTS)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    if done.returncode != 0:
        msg = f"{command[-1]} ended with {done.returncode}: {done.stderr[-2000:]}"
        raise RuntimeError(msg)
    return float(done.stdout.split()[-1])


def _timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def _memory(pid: int) -> float:
    top = psutil.Process(pid)
    every = [top, *top.children(recursive=True)]
    return sum(one.memory_info().rss for one in every) / 1e6


def _mlflow(folder: Path) -> Path:
    if given := os.environ.get("WAYLAB_BENCH_MLFLOW"):
        return Path(given) / "bin" / "python"
    home = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", MLFLOW], check=True)
    return python


@contextmanager
def _serving(python: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Run MLflow's server with its defaults on SQLite: its URL and process."""
    folder.mkdir()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(python.with_name("mlflow"), "server", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
                *("--default-artifact-root", str(folder / "artifacts")),
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(lambda: _answers(url), "MLflow's server answers", START_SECONDS)
        yield url, process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False
