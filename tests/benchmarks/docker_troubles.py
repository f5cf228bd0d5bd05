"""Engines that hang and labs that do not end, beside a stock DockerSpawner."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from tests.benchmarks.docker_labs import (
    LAB_SECONDS,
    MANY,
    Labs,
    ask,
    end,
    is_ready,
    one,
    sides,
)
from tests.benchmarks.measure import Pair, Report, Setting, alternate, wait_for
from tests.waylab_spawner.docker_site import STUBBORN, DockerSite

HUNG_SECONDS = 5.0
DELAY_GOAL_SECONDS = 0.25
STOP_SECONDS = 10
# Python starts in all of them, and only then ignores SIGTERM.
SETTLE_SECONDS = 10.0


def run_hung(setting: Setting) -> Report:
    """Measure what a node's lab waits for another node's engine, which hangs."""
    on_nlp: dict[str, object] = {"profile": "cpu-nlp"}
    on_vision: dict[str, object] = {"profile": "cpu"}
    with sides(setting) as (site, ours, stock):
        for client, users in ((ours, ("bob",)), (stock, ("nlp-one",))):
            for user in users:
                client.post(f"/users/{user}").raise_for_status()
        steps: dict[str, Callable[[], float]] = {
            "ours": lambda: one(ours, "bob", on_nlp),
            "stock": lambda: one(stock, "nlp-one"),
        }
        for step in steps.values():  # The first start makes homes and caches.
            step()
        steps |= {
            "ours, hung": lambda: _hung(
                site, ours, ("ann", on_vision), ("bob", on_nlp)
            ),
            "stock, hung": lambda: _hung(site, stock, ("lea-one", {}), ("nlp-one", {})),
        }
        found = alternate(setting.rounds, steps)
    delay = {
        name: statistics.median(found[f"{name}, hung"]) - statistics.median(found[name])
        for name in ("ours", "stock")
    }
    met = "met" if delay["ours"] < DELAY_GOAL_SECONDS else "**missed**"
    return Report(
        "A lab while another node's engine hangs",
        [
            Pair(
                f"nlp, while vision hangs for {HUNG_SECONDS:g} s",
                found["ours, hung"],
                "DockerSpawner",
                found["stock, hung"],
            ),
            Pair("nlp, with both well", found["ours"], "DockerSpawner", found["stock"]),
        ],
        [
            f"What the hung engine adds (medians): ours {delay['ours'] * 1000:+.0f} ms "
            f"(goal: under {DELAY_GOAL_SECONDS * 1000:.0f} ms: {met}), stock "
            f"{delay['stock'] * 1000:+.0f} ms.",
            "From POST until the hub says that the lab is ready. The engine's process "
            "is stopped (SIGSTOP) and a lab asked of it; half a second later one is "
            "asked of the other node. DockerSpawner has a client of each engine; its "
            "one thread for calls is its own.",
        ],
    )


def run_stubborn(setting: Setting) -> Report:
    """Measure the end of labs that ignore SIGTERM: one, and many together."""
    names = [f"stb-{index:02}" for index in range(MANY)]
    own: Labs = [(name, {"profile": "stubborn"}) for name in names]
    stock_labs: Labs = [(name, {}) for name in names]
    with sides(setting) as (site, ours, stock):
        site.make_stubborn_image()
        for client in (ours, stock):
            for name in names:
                client.post(f"/users/{name}").raise_for_status()
        single = alternate(
            setting.rounds,
            {
                "ours": lambda: _ended(ours, own[:1]),
                "stock": lambda: _ended(stock, stock_labs[:1]),
            },
        )
        many = tuple(_ended(ours, own) for _ in range(setting.rounds))
        bare = tuple(_bare_end(site) for _ in range(setting.rounds))
        # It takes minutes.
        stock_many = (_ended(stock, stock_labs),)
    return Report(
        "The end of labs that ignore SIGTERM",
        [
            Pair("one", single["ours"], "DockerSpawner", single["stock"]),
            Pair(f"{MANY} at once", many, "DockerSpawner, once", stock_many),
            Pair(f"{MANY} at once", many, "one of ours", single["ours"]),
            Pair(f"{MANY} at once", many, "the engine's own calls", bare),
        ],
        [
            "From DELETE until the hub says that all are gone. The labs are little "
            "programs that serve HTTP and ignore SIGTERM; they have the engine's ten "
            "seconds to end.",
            f"The engine's own calls: {MANY} such containers, started by nobody but "
            "the engine, stopped and removed by a thread each.",
        ],
    )


def _hung(
    site: DockerSite,
    client: httpx.Client,
    waiting: tuple[str, dict[str, object]],
    measured: tuple[str, dict[str, object]],
) -> float:
    engine = site.engines["vision"]
    thaw = threading.Timer(HUNG_SECONDS, engine.thaw)
    asker = threading.Thread(target=ask, args=(client, *waiting))
    engine.freeze()
    thaw.start()
    try:
        asker.start()
        time.sleep(0.5)
        began = time.monotonic()
        ask(client, *measured)
        user = measured[0]
        wait_for(lambda: is_ready(client, user), f"the lab of {user}", LAB_SECONDS)
        seconds = time.monotonic() - began
    finally:
        thaw.join()
        asker.join()
    user = waiting[0]
    wait_for(lambda: is_ready(client, user), f"the lab of {user}", LAB_SECONDS)
    end(client, [measured[0], waiting[0]])
    return seconds


def _ended(client: httpx.Client, labs: Labs) -> float:
    """Start labs, and give how long it takes to end them together."""
    for user, options in labs:
        ask(client, user, options)
    for user, _ in labs:
        wait_for(lambda: is_ready(client, user), f"{user}'s lab", LAB_SECONDS)  # noqa: B023
    began = time.monotonic()
    _end_together(client, [user for user, _ in labs])
    return time.monotonic() - began


def _bare_end(site: DockerSite) -> float:
    """Give how long an engine takes to end as many containers, if only asked to."""

    def start(client: Any) -> str:
        program = ["/opt/waylab/bin/jupyterhub-singleuser"]
        made: str = client.create_container(STUBBORN, entrypoint=program)["Id"]
        client.start(made)
        return made

    def end_one(container: str) -> None:
        def work(client: Any) -> None:
            client.stop(container, timeout=STOP_SECONDS)
            client.remove_container(container)

        with site.engine("vision") as engine:
            engine.connection.run(work, LAB_SECONDS)

    with site.engine("vision") as engine:
        made = [engine.connection.run(start, LAB_SECONDS) for _ in range(MANY)]
    time.sleep(SETTLE_SECONDS)
    began = time.monotonic()
    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(end_one, made))
    return time.monotonic() - began


def _end_together(client: httpx.Client, users: Sequence[str]) -> None:
    enders = [threading.Thread(target=end, args=(client, [user])) for user in users]
    for thread in enders:
        thread.start()
    for thread in enders:
        thread.join()
