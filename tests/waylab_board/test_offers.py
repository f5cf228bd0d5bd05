from __future__ import annotations

from datetime import UTC, datetime

from waylab_board.offers import offer_of
from waylab_board.testing import gpus, slots
from waylab_board.wants import GIB
from waylab_clearml.offer import GpuOffer, NodeOffer, Offer
from waylab_ledger.ledger import Ledger
from waylab_ledger.values import (
    Device,
    DeviceKind,
    Holder,
    NodeReport,
    Request,
    Selector,
)
from waylab_ledger.views import NodePlan
from waylab_site.model import Node, Queue, Site


def test_an_offer_tells_slices_and_whole_gpus_of_each_node_apart() -> None:
    nodes = Node(name="mixed"), Node(name="cpu", devices="cpu"), Node(name="new")
    site = Site(nodes=nodes, queues=(Queue(name="default"),), profiles=())
    ledger, now = Ledger.open("memory://"), datetime.now(UTC)
    ledger.declare([NodePlan(node.name) for node in site.nodes], now)
    whole = gpus("mixed", 1, "A100", 40)
    slices = tuple(
        Device(
            id=f"MIG-{number}",
            node="mixed",
            kind=DeviceKind.MIG,
            index=8 + number,
            model="A100",
            memory_bytes=int(profile[3:-2]) * GIB,
            parent="GPU-cut",
            mig_profile=profile,
        )
        for number, profile in enumerate(("1g.5gb", "1g.5gb", "3g.20gb"))
    )
    devices = {"mixed": (*whole, *slices), "cpu": slots("cpu", 2)}
    for name, some in devices.items():
        ledger.epoch(f"agent:{name}", name, now)
        told = NodeReport(name, name, now, some, complete=True, engine_id=name)
        ledger.report(told, now)
    wanted = Selector(DeviceKind.MIG, mig_profile="1g.5gb")
    holder = Holder.lab("ada")
    ledger.submit(Request("key", holder, "ada", wanted), now)
    ledger.decide(now)

    offer = offer_of("default", site, ledger.snapshot(now), frozenset({"mixed"}))

    ledger.close()
    assert offer == Offer(
        slots=1,
        free_slots=1,
        default_gpus=1,
        cpu_slots=2,
        gpus=(
            GpuOffer("mixed", "A100", 5 * GIB, 2, 1, mig_profile="1g.5gb"),
            GpuOffer("mixed", "A100", 20 * GIB, 1, 1, mig_profile="3g.20gb"),
            GpuOffer("mixed", "A100", 40 * GIB, 1, 1, simulated=True),
        ),
        nodes=(
            NodeOffer("mixed", default_gpus=1),
            NodeOffer("cpu", cpu_slots=2),
            NodeOffer("new", known=False),
        ),
    )
