"""Prometheus metrics of leases, waits, devices and the ledger's own speed."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from waylab_ledger.values import Request
from waylab_ledger.wire import BoardState

_WAITS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 259200)
_CALLS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """Counts as the board works; the present state is read when asked for."""

    def __init__(self) -> None:
        """Use a registry of its own, so that two boards in a process do not mix."""
        self._registry = CollectorRegistry()
        self._waits = Histogram(
            "waylab_wait_seconds",
            "From the request to the lease.",
            ["kind", "queue"],
            buckets=_WAITS,
            registry=self._registry,
        )
        self._calls = Histogram(
            "waylab_ledger_call_seconds",
            "How long a call of the ledger took; `decide` is the grants.",
            ["call"],
            buckets=_CALLS,
            registry=self._registry,
        )
        self._requests = Counter(
            "waylab_requests",
            "Requests for leases, by what came of them.",
            ["kind", "outcome"],
            registry=self._registry,
        )
        self._state = _State()
        self._registry.register(self._state)

    def called(self, name: str, seconds: float) -> None:
        """Note a call of the ledger."""
        self._calls.labels(name).observe(seconds)

    def waited(self, request: Request, seconds: float) -> None:
        """Note how long somebody waited for a lease."""
        kind = request.holder.kind.value
        self._waits.labels(kind, request.queue or "").observe(max(0.0, seconds))

    def requested(self, request: Request, outcome: str) -> None:
        """Note what came of a request: `lease`, `ticket` or `refused`."""
        self._requests.labels(request.holder.kind.value, outcome).inc()

    def text(self, state: BoardState, troubles: Iterable[str]) -> bytes:
        """Give all metrics in Prometheus' text format."""
        self._state.now = state
        self._state.troubles = tuple(troubles)
        return generate_latest(self._registry)


class _State(Collector):
    """The metrics that a state of the board is."""

    def __init__(self) -> None:
        self.now: BoardState | None = None
        self.troubles: tuple[str, ...] = ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        state = self.now
        if state is None:
            return
        yield _tally(
            "waylab_leases",
            "Leases that are not released.",
            ["node", "state", "kind"],
            (
                (lease.node, lease.state.value, lease.holder.split(":", 1)[0])
                for lease in state.leases
            ),
        )
        yield _tally(
            "waylab_tickets",
            "Places in the line.",
            ["kind", "queue", "state"],
            (
                (one.holder.split(":", 1)[0], one.queue or "", one.state.value)
                for one in state.line
            ),
        )
        shown = [(node, one) for node in state.nodes for one in node.devices]
        yield _tally(
            "waylab_devices",
            "Devices, by whether they are free, held, or neither.",
            ["node", "kind", "model", "state"],
            (
                (
                    node.name,
                    one.device.kind.value,
                    one.device.model,
                    "held" if one.lease else "free" if one.free else "unusable",
                )
                for node, one in shown
            ),
        )
        yield _tally(
            "waylab_nodes",
            "Nodes, by whether they take leases.",
            ["node", "state"],
            ((node.name, node.state.value) for node in state.nodes),
        )
        yield _tally(
            "waylab_board_troubles",
            "What the board waits for.",
            ["about"],
            ((about,) for about in self.troubles),
        )
        for name, text, attribute in (
            (
                "waylab_device_utilisation_ratio",
                "Share of the time that the GPU computed.",
                "gpu_percent",
            ),
            (
                "waylab_device_memory_used_bytes",
                "Memory of the GPU in use.",
                "memory_used_bytes",
            ),
        ):
            family = GaugeMetricFamily(name, text, labels=["node", "device"])
            for node, one in shown:
                value = getattr(one, attribute)
                if value is not None:
                    scale = 100.0 if attribute == "gpu_percent" else 1.0
                    family.add_metric([node.name, one.device.id], value / scale)
            yield family


def _tally(
    name: str, text: str, labels: list[str], found: Iterable[tuple[str, ...]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    counts: Mapping[tuple[str, ...], int] = Tally(found)
    for values, count in counts.items():
        family.add_metric(list(values), count)
    return family
