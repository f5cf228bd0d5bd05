"""Labs in containers beside a stock JupyterHub with DockerSpawner: one, and twenty."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from tests.benchmarks.lab_spawn import install_iri
from tests.benchmarks.measure import Pair, Report, Setting, alternate, wait_for
from tests.benchmarks.stock_hub import CONTAINERS, StockHub
from tests.waylab_spawner.docker_site import STUBBORN, DockerSite, running_site

from waylab_engine.engine import Engine
from waylab_rig import archives
from waylab_rig.rig import REFERENCE

STOCK_IMAGE = "waylab-bench/stock:1"
ONE_GOAL, MANY_GOAL = 0.5, 1 / 1.6
MANY = 20
LATENCY_GOAL_SECONDS = 0.1
LAB_SECONDS = 300
_DOCKERFILE = """\
FROM {base}
USER 0
COPY iri/ /opt/waylab/lib/python3.11/site-packages/
RUN python3 -m compileall -q /opt/waylab/lib/python3.11/site-packages || true
USER 1000:1000
"""

Labs = Sequence[tuple[str, dict[str, object]]]


def run_one(setting: Setting) -> Report:
    """Measure one lab, from the click until it is ready."""
    with sides(setting) as (_, ours, stock):
        steps: dict[str, Callable[[], float]] = {
            "with a GPU": lambda: one(ours, "ann", {"profile": "one"}),
            "without": lambda: one(ours, "ann", {"profile": "cpu"}),
            "stock": lambda: one(stock, "sto-one"),
            "lean": lambda: one(stock, "lea-one"),
        }
        for step in steps.values():  # The first start makes homes and caches.
            step()
        found = alternate(setting.rounds, steps)
    gpu, without = found["with a GPU"], found["without"]
    stock_seconds, lean = found["stock"], found["lean"]
    return Report(
        "A lab in a container",
        [
            Pair("with a GPU", gpu, "DockerSpawner", stock_seconds, ONE_GOAL),
            Pair("without a GPU", without, "DockerSpawner", stock_seconds, ONE_GOAL),
            Pair("with a GPU", gpu, "DockerSpawner without rfc3987_syntax", lean),
        ],
        [
            "From POST until the hub says that the lab is ready. Same machine, same "
            "container engine, same packages; DockerSpawner's image has "
            "rfc3987_syntax too, as a plain installation of JupyterLab has it, and "
            "not our server extension.",
            "Ours has also leased a simulated GPU, and given the lab keys of its own.",
        ],
    )


def run_many(setting: Setting) -> Report:
    """Measure many labs that start at once, and the hub's answers meanwhile."""
    names = [f"lab{index:02}" for index in range(MANY)]
    profiles = ("cpu", "cpu-nlp")
    own: Labs = [
        (name, {"profile": profiles[index % 2]}) for index, name in enumerate(names)
    ]
    stock_labs: Labs = [(f"sto-{name}", {}) for name in names]
    latencies: dict[str, list[float]] = {"ours": [], "stock": []}
    with sides(setting) as (_, ours, stock):
        for client, labs in ((ours, own), (stock, stock_labs)):
            for user, _ in labs:
                client.post(f"/users/{user}").raise_for_status()
        steps: dict[str, Callable[[], float]] = {
            "ours": lambda: _many(ours, own, latencies["ours"]),
            "stock": lambda: _many(stock, stock_labs, latencies["stock"]),
        }
        found = alternate(setting.rounds, steps)
    per_minute = {
        name: MANY / statistics.median(values) * 60 for name, values in found.items()
    }
    p95 = {
        name: statistics.quantiles(values, n=20)[-1]
        for name, values in latencies.items()
    }
    met = "met" if p95["ours"] < LATENCY_GOAL_SECONDS else "**missed**"
    return Report(
        f"{MANY} labs at once",
        [
            Pair(
                f"until all {MANY} are ready, two engines",
                found["ours"],
                "DockerSpawner, one engine",
                found["stock"],
                MANY_GOAL,
            )
        ],
        [
            f"Labs a minute: ours {per_minute['ours']:.0f}, stock "
            f"{per_minute['stock']:.0f}: {per_minute['ours'] / per_minute['stock']:.1f}"
            " times (goal: 1.6).",
            f"The hub's API meanwhile, p95: ours {p95['ours'] * 1000:.0f} ms (goal: "
            f"under {LATENCY_GOAL_SECONDS * 1000:.0f} ms: {met}), stock "
            f"{p95['stock'] * 1000:.0f} ms.",
            "All on one machine: two engines bring no more processors.",
        ],
    )


@contextmanager
def sides(
    setting: Setting,
) -> Iterator[tuple[DockerSite, httpx.Client, httpx.Client]]:
    """Give our site, and clients of its hub's API and of the stock hub's.

    They share the engines. Labs of the stock hub are of the node vision and of an
    image after their users' names, or, with names that begin with `nlp`, of nlp.
    """
    iri = setting.folder / "iri"
    if not install_iri(iri):
        msg = "rfc3987_syntax could not be installed for the stock image"
        raise RuntimeError(msg)
    with running_site(setting.folder) as site:
        engine = site.engines["vision"]
        with engine.engine() as client:
            _stock_image(client, iri)
            gateway = client.gateway()
        other = site.engines["nlp"].address
        vision = (engine.address.url, engine.address.host)
        given = {
            "engines": {"nlp": (other.url, other.host)},
            "engine": vision,
            "images": {
                "sto": STOCK_IMAGE,
                "lea": REFERENCE,
                "nlp": REFERENCE,
                "stb": STUBBORN,
            },
        }
        stock = StockHub(setting.folder / "stock", CONTAINERS, given, gateway)
        with stock.running() as answers, _api(site) as ours:
            answers.base_url = httpx.URL(f"{stock.url}/hub/api")
            for user in ("sto-one", "lea-one"):
                answers.post(f"/users/{user}").raise_for_status()
            ours.post("/users/ann").raise_for_status()
            yield site, ours, answers


def _api(site: DockerSite) -> httpx.Client:
    return httpx.Client(
        base_url=f"{site.hub.url}/hub/api",
        headers={"Authorization": f"token {site.hub.token}"},
        timeout=60,
        trust_env=False,
    )


def _stock_image(engine: Engine, iri: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="waylab-bench-") as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(_DOCKERFILE.format(base=REFERENCE))
        iri.rename(context / "iri")
        archives.build(engine, context, STOCK_IMAGE)


def one(
    client: httpx.Client, user: str, options: dict[str, object] | None = None
) -> float:
    began = time.monotonic()
    ask(client, user, options or {})
    wait_for(lambda: is_ready(client, user), f"the lab of {user}", LAB_SECONDS)
    seconds = time.monotonic() - began
    end(client, [user])
    return seconds


def _many(client: httpx.Client, labs: Labs, latencies: list[float]) -> float:
    over = threading.Event()
    asker = threading.Thread(target=_listen, args=(client, over, latencies))
    began = time.monotonic()
    asker.start()
    try:
        askers = [
            threading.Thread(target=ask, args=(client, user, options))
            for user, options in labs
        ]
        for thread in askers:
            thread.start()
        for thread in askers:
            thread.join()
        for user, _ in labs:
            ready = partial(is_ready, client, user)
            wait_for(ready, f"{user}'s lab", LAB_SECONDS)
        return time.monotonic() - began
    finally:
        over.set()
        asker.join()
        end(client, [user for user, _ in labs])


def _listen(
    client: httpx.Client, over: threading.Event, latencies: list[float]
) -> None:
    while not over.wait(0.05):
        began = time.monotonic()
        client.get("/").raise_for_status()
        latencies.append(time.monotonic() - began)


def ask(client: httpx.Client, user: str, options: dict[str, object]) -> None:
    client.post(f"/users/{user}/server", json=options).raise_for_status()


def is_ready(client: httpx.Client, user: str) -> bool:
    server = client.get(f"/users/{user}").json()["servers"].get("")
    return bool(server and server["ready"])


def end(client: httpx.Client, users: Sequence[str]) -> None:
    for user in users:
        client.delete(f"/users/{user}/server").raise_for_status()
    for user in users:
        wait_for(
            partial(is_gone, client, user), f"the end of {user}'s lab", LAB_SECONDS
        )


def is_gone(client: httpx.Client, user: str) -> bool:
    return not client.get(f"/users/{user}").json()["servers"]
